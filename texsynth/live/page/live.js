// The page: one texture in full, and all of them on a wall if there are several.
import { draw, number, tabulate } from "./chart.js";
import { merge } from "./state.js";
import { connect } from "./stream.js";
import { Viewer, ZOOMS } from "./viewer.js";
import { Wall } from "./wall.js";
import { left, percent, state } from "./words.js";

const find = (id) => document.getElementById(id);
const entries = new Map();
const image = new Viewer(find("view"), find("image"));
const other = new Viewer(find("other-view"), find("other-image"));
const wall = new Wall(find("wall"), (chosen) => { current = chosen; follows = false; show(); find("name").scrollIntoView(); });
const isStudio = find("studio") !== null;
let current = null, awaited = null, follows = true, zoom = null, tiles = 1, lists = null, beside = null;

function post(address) {
  return fetch(address, { method: "POST" });
}

function say(element, text) {  // what stays the same is not read out again
  if (element.textContent !== text) element.textContent = text;
}

function showBeside(entry) {
  const chosen = find("beside").value;
  const [kind, place] = [chosen[0], Number(chosen.slice(1))];
  const another = kind === "t" ? entries.get(place) : null;
  find("other").hidden = kind === "n" || kind === undefined;
  const name = kind === "t" ? another?.name ?? "" : find("beside").selectedOptions[0]?.textContent ?? "";
  say(find("other-name"), name);
  let shown = null;
  if (kind === "e") shown = other.show(`exemplar/${entry.number}/${place}`, name);
  else if (another && another.frame !== null) shown = other.show(`frame/${place}?v=${another.frame}`, name);
  else other.clear("No picture");
  shown?.then(() => say(find("other-size"), other.size ?? ""));
}

function listBeside(entry) {
  const options = Array.from({ length: entry.exemplars }, (_, place) =>
    [`e${place}`, entry.exemplars > 1 ? `Exemplar ${place + 1}` : "Exemplar"]);
  for (const each of entries.values()) {
    if (each.number !== entry.number && each.frame !== null) options.push([`t${each.number}`, each.name]);
  }
  options.push(["n", "Nothing"]);
  const key = JSON.stringify([entry.number, options]);
  if (key === lists) return;
  lists = key;
  find("beside").replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  if (options.some(([value]) => value === beside)) find("beside").value = beside;  // as it was chosen
}

function showFiles(entry) {
  const key = entry.files.join("\n");
  const list = find("files");
  if (list.dataset.key === `${entry.number}\n${key}`) return;
  list.dataset.key = `${entry.number}\n${key}`;
  list.replaceChildren(...entry.files.map((name, place) => {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = `file/${entry.number}/${place}`;
    link.download = name;
    link.textContent = name;
    item.append(link);
    return item;
  }));
  list.hidden = entry.files.length === 0;
  find("real").hidden = list.hidden || entry.exemplars === 0;
  find("real").href = `real/${entry.number}`;
  find("order").hidden = !entry.command;
  say(find("command"), entry.command ?? "");
}

function showStep(entry) {
  const { step, status } = entry;
  find("progress").value = status === "running" ? step?.fraction ?? 0 : 1;
  find("progress").hidden = status !== "running";
  const told = step && [`step ${step.step} of ${step.steps}`, `loss ${number(step.loss)}`];
  if (told && status === "running") told.push(percent(entry), left(step.seconds_left));
  say(find("step"), told ? told.filter(Boolean).join(" · ") : "");
  const isEnding = find("stop").dataset.asked === String(entry.number);
  find("stop").disabled = status !== "running" || !step || isEnding;
  find("stop").hidden = status !== "running";
  find("remove").hidden = status !== "waiting" || !isStudio;
  say(find("stop"), isEnding ? "Stopping…" : "Stop and keep");
}

function show() {
  const all = [...entries.values()];
  const running = all.find(({ status }) => status === "running");
  if (follows && running) current = running.number;
  if (entries.has(awaited)) [current, awaited] = [awaited, null];
  current = entries.has(current) ? current : all[0]?.number ?? current;
  const entry = entries.get(current);
  find("run").hidden = !entry;
  find("losses").hidden = !entry?.points.length;
  find("all").hidden = all.length < 2;
  if (!entry) return;
  say(find("name"), entry.name);
  say(find("state"), state(entry));
  find("state").classList.toggle("failed", entry.status === "failed");
  document.title = `${entry.status === "running" ? `${percent(entry)} ` : ""}${entry.name} – texsynth`;
  showStep(entry);
  showFiles(entry);
  listBeside(entry);
  for (const each of all.length > 1 ? all : []) wall.update(each, each.number === entry.number);
  if (document.hidden) return;  // nobody looks
  if (entry.frame === null) image.clear("No image yet");
  else {
    image.show(`frame/${entry.number}?v=${entry.frame}`, `The texture, ${state(entry)}`)
      .then(() => say(find("pixels"), image.size ?? ""));
  }
  showBeside(entry);
  tabulate(find("terms").tBodies[0], draw(find("chart"), entry.points));
}

function setZoom(to) {
  zoom = to;
  for (const viewer of [image, other]) viewer.set(zoom, viewer === image ? tiles : 1);
  say(find("zoom"), zoom === null ? "fits" : `${Math.round(100 * zoom)} %`);
  find("fit").setAttribute("aria-pressed", zoom === null);
}

const larger = () => setZoom(ZOOMS.find((each) => each > (zoom ?? 0.9)) ?? ZOOMS.at(-1));
const smaller = () => setZoom([...ZOOMS].reverse().find((each) => each < (zoom ?? 1.1)) ?? ZOOMS[0]);
const fit = () => setZoom(null);
const keys = { "+": larger, "=": larger, "-": smaller, 0: fit };

find("larger").addEventListener("click", larger);
find("smaller").addEventListener("click", smaller);
find("fit").addEventListener("click", fit);
find("tiling").addEventListener("click", () => {
  tiles = tiles === 1 ? 3 : 1;
  find("tiling").setAttribute("aria-pressed", tiles === 3);
  setZoom(zoom);
});
for (const view of [find("view"), find("other-view")]) {
  view.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || !(event.key in keys)) return;
    keys[event.key]();
    event.preventDefault();
  });
}
find("beside").addEventListener("change", ({ target }) => { beside = target.value; show(); });
find("stop").addEventListener("click", () => {
  find("stop").dataset.asked = current;
  post(`stop/${current}`);
  show();
});
find("remove").addEventListener("click", () => post(`remove/${current}`));
find("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(find("command").textContent);
  say(find("copy"), "Copied");
  setTimeout(() => say(find("copy"), "Copy"), 2000);
});
addEventListener("ordered", ({ detail }) => {
  awaited = detail;
  follows = false;
  show();
  find("run").scrollIntoView();
});
document.addEventListener("visibilitychange", show);

connect((message) => {
  const connection = find("connection");
  connection.classList.toggle("lost", message.kind === "lost");
  say(connection, { lost: "The connection is lost; trying again.", over: "The program has ended." }[message.kind] ?? "Connected");
  if (message.kind === "lost") return;
  if (message.kind === "over") {
    for (const entry of entries.values()) {
      if (entry.status === "running" || entry.status === "waiting") {
        entries.set(entry.number, { ...entry, status: "failed", message: "the program ended before." });
      }
    }
  }
  if (message.kind === "all") wall.clear();
  merge(entries, message);
  show();
});
