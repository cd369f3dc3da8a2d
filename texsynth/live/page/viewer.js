// Pictures in their places: fitted or magnified, once or three by three.
export const ZOOMS = [0.5, 1, 2, 3, 4, 6, 8];
const LARGEST = 4096;  // pixels of a canvas's side

export class Viewer {
  constructor(view, canvas) {
    this.view = view;
    this.canvas = canvas;
    this.zoom = null;  // fits
    this.tiles = 1;
    this.picture = null;
    this.wanted = this.shown = null;
    new ResizeObserver(() => this.scale()).observe(view);
  }

  // Shows the picture of an address; of several asked for meanwhile, only the last.
  async show(address, label) {
    this.wanted = { address, label };
    if (this.isLoading) return;
    this.isLoading = true;
    while (this.wanted && this.wanted.address !== this.shown) {
      const { address: source, label: text } = this.wanted;
      try {
        const picture = new Image();
        picture.src = source;
        await picture.decode();
        this.picture = picture;
        this.canvas.setAttribute("aria-label", text);
        this.draw();
      } catch {
        this.clear(text);  // its file is gone; the next one may be there
      }
      this.shown = source;
    }
    if (this.wanted) this.canvas.setAttribute("aria-label", this.wanted.label);
    this.isLoading = false;
  }

  clear(label) {
    this.wanted = this.shown = this.picture = null;
    this.canvas.width = this.canvas.height = 0;
    this.canvas.setAttribute("aria-label", label);
  }

  set(zoom, tiles) {
    const isOther = tiles !== this.tiles;
    this.zoom = zoom;
    this.tiles = tiles;
    if (isOther) this.draw();
    this.scale();
  }

  draw() {
    if (!this.picture) return;
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    const reduced = Math.min(1, LARGEST / (this.tiles * Math.max(width, height)));
    const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * reduced)));
    this.canvas.width = w * this.tiles;
    this.canvas.height = h * this.tiles;
    const context = this.canvas.getContext("2d");
    for (let y = 0; y < this.tiles; y += 1) {
      for (let x = 0; x < this.tiles; x += 1) context.drawImage(this.picture, x * w, y * h, w, h);
    }
    this.scale();
  }

  scale() {
    if (!this.picture) return;
    const width = this.picture.naturalWidth * this.tiles, height = this.picture.naturalHeight * this.tiles;
    const fitting = Math.min(this.view.clientWidth / width, this.view.clientHeight / height);
    const scale = this.zoom ?? fitting;
    this.view.classList.toggle("smooth", scale < 1);
    this.canvas.style.width = `${Math.floor(width * scale)}px`;
    this.canvas.style.height = `${Math.floor(height * scale)}px`;
  }

  get size() {
    return this.picture && `${this.picture.naturalWidth} × ${this.picture.naturalHeight} pixels`;
  }
}
