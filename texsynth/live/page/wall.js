// A card for each texture, with a small picture; a press shows it in full.
import { short } from "./words.js";

export class Wall {
  constructor(list, choose) {
    this.list = list;
    this.choose = choose;
    this.cards = new Map();
  }

  update(entry, isCurrent) {
    if (!this.cards.has(entry.number)) this.add(entry);
    const { button, picture, none, label, how } = this.cards.get(entry.number);
    label.textContent = entry.name;
    how.textContent = short(entry);
    button.classList.toggle("failed", entry.status === "failed");
    button.setAttribute("aria-current", isCurrent);
    const version = entry.frame;
    if (version !== null && picture.dataset.version !== String(version)) {
      picture.dataset.version = version;
      picture.src = `frame/${entry.number}?small&v=${version}`;
    }
    picture.hidden = version === null;
    none.hidden = version !== null;
  }

  add(entry) {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.className = "card";
    const picture = new Image(), none = document.createElement("span");
    picture.alt = "";
    picture.loading = "lazy";
    none.className = "none";
    const label = document.createElement("span"), how = document.createElement("span");
    label.className = "label";
    how.className = "how";
    button.append(picture, none, label, how);
    button.addEventListener("click", () => this.choose(entry.number));
    item.append(button);
    this.list.append(item);
    this.cards.set(entry.number, { button, picture, none, label, how });
  }

  clear() {
    this.list.replaceChildren();
    this.cards.clear();
  }
}
