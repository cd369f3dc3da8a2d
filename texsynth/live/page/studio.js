// The form of the studio: a photograph, how its texture is to be, and an order.
const find = (id) => document.getElementById(id);
const form = find("form"), list = find("photographs"), told = find("upload-told");

function tell(element, text, isWrong = false) {
  element.textContent = text;
  element.classList.toggle("wrong", isWrong);
}

function card({ number, name }) {
  const label = document.createElement("label"), radio = document.createElement("input");
  label.className = "pick";
  radio.type = "radio";
  radio.name = "photograph";
  radio.value = number;
  radio.required = true;
  const picture = new Image(64, 64);
  picture.alt = "";
  picture.loading = "lazy";
  picture.src = `photograph/${number}`;
  const text = document.createElement("span");
  text.textContent = name;
  label.append(radio, picture, text);
  return label;
}

async function listPhotographs(chosen) {
  const before = chosen ?? new FormData(form).get("photograph");
  const photographs = await (await fetch("photographs")).json();
  list.replaceChildren(...photographs.map(card));
  for (const radio of list.querySelectorAll("input")) radio.checked = radio.value === String(before);
  choose();
}

function choose() {
  find("make").disabled = new FormData(form).get("photograph") === null;
}

async function send(file) {
  tell(told, `Reading ${file.name}…`);
  try {
    const headers = { "X-Name": encodeURIComponent(file.name) };
    const answer = await fetch("upload", { method: "POST", body: file, headers });
    if (!answer.ok) throw new Error(await answer.text());
    const { number } = await answer.json();
    await listPhotographs(number);
    tell(told, `${file.name} is chosen.`);
  } catch (error) {
    tell(told, `${file.name} was not taken: ${error.message}`, true);
  }
}

async function order(event) {
  event.preventDefault();
  const wanted = Object.fromEntries(new FormData(form));
  delete wanted.file;
  wanted.photograph = Number(wanted.photograph);
  if (wanted.preset === "auto") delete wanted.preset;
  if (wanted.size === "300") delete wanted.size;
  if (wanted.seed === "0") delete wanted.seed;
  if (wanted.variations === "1") delete wanted.variations;
  const answer = await fetch("order", { method: "POST", body: JSON.stringify(wanted) });
  if (!answer.ok) return tell(find("form-told"), await answer.text(), true);
  const { numbers } = await answer.json();
  tell(find("form-told"), "In the queue.");
  dispatchEvent(new CustomEvent("ordered", { detail: numbers[0] }));
  return undefined;
}

form.addEventListener("submit", order);
form.addEventListener("change", choose);
find("file").addEventListener("change", ({ target }) => target.files[0] && send(target.files[0]));
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
addEventListener("dragover", () => find("drop").classList.add("over"));
addEventListener("dragleave", ({ relatedTarget }) => relatedTarget === null && find("drop").classList.remove("over"));
addEventListener("drop", ({ dataTransfer }) => {
  find("drop").classList.remove("over");
  if (dataTransfer.files[0]) send(dataTransfer.files[0]);
});
listPhotographs();
