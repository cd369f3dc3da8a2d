// The loss over the steps, all of it and each term, on a logarithmic scale; and as a table.
const LEFT = 64, RIGHT = 430, TOP = 24, BOTTOM = 244, POINTS = 400;
const SVG = "http://www.w3.org/2000/svg";

export const number = (value) => (value === null || value === undefined ? "–" : Number(value.toPrecision(3)).toString());

function make(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// The curves: the whole first, then each term that is ever more than nothing.
export function curves(points) {
  const names = new Set(points.flatMap(({ terms }) => Object.keys(terms)));
  const terms = [...names].map((name) => ({ name, values: points.map((point) => point.terms[name] ?? null) }));
  const telling = terms.filter(({ values }) => values.some((value) => value > 0));
  const whole = { name: "all together", values: points.map(({ loss }) => loss) };
  return telling.length > 1 ? [whole, ...telling] : [{ ...whole, name: telling[0]?.name ?? whole.name }];
}

const DIGITS = [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]];

// Round values between two: powers of ten if these are enough, or ones between them.
function ticks(low, high) {
  for (const digits of DIGITS) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      found.push(...digits.map((digit) => digit * 10 ** power).filter((value) => value >= low && value <= high));
    }
    const every = Math.ceil(found.length / 7);
    if (found.length >= 3) return found.filter((_, place) => place % every === 0);
  }
  return [low, high];
}

export function draw(svg, points) {
  const lines = curves(points);
  const positive = lines.flatMap(({ values }) => values.filter((value) => value > 0));
  const title = svg.querySelector("title");
  svg.replaceChildren(title);
  title.textContent = told(points);
  if (positive.length === 0) return lines;
  // Far below the whole, a term is as good as nothing.
  const most = positive.reduce((a, b) => Math.max(a, b)), least = positive.reduce((a, b) => Math.min(a, b));
  let low = Math.max(least, most * 1e-6), high = most;
  if (high / low < 1.2) [low, high] = [low / 1.1, high * 1.1];
  const x = (step) => LEFT + (RIGHT - LEFT) * (points.length > 1 ? step / (points.length - 1) : 0.5);
  const y = (value) => BOTTOM - (BOTTOM - TOP) * (Math.log(value / low) / Math.log(high / low));
  for (const tick of ticks(low, high)) {
    svg.append(make("path", { class: "grid", d: `M${LEFT} ${y(tick).toFixed(1)}H${RIGHT}` }));
    svg.append(make("text", { class: "end", x: LEFT - 8, y: (y(tick) + 4).toFixed(1) }, number(tick)));
  }
  points.forEach(({ level }, step) => {
    if (step === 0 || points[step - 1].level === level) return;
    const middle = ((x(step - 1) + x(step)) / 2).toFixed(1);
    svg.append(make("path", { class: "divider", d: `M${middle} ${TOP}V${BOTTOM}` }));
  });
  const every = Math.max(1, Math.ceil(points.length / POINTS));
  [...lines.entries()].reverse().forEach(([place, { values }]) => {
    let path = "", isDown = false;
    values.forEach((value, step) => {
      const isFirst = step === 0 || points[step - 1].level !== points[step].level;
      const isLast = step === values.length - 1 || points[step + 1].level !== points[step].level;
      if (step % every && !isFirst && !isLast) return;
      if (isFirst) isDown = false;  // losses of two levels are not of one image
      if (value === null || value < low * 0.999) { isDown = false; return; }
      path += `${isDown ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
      if (!isDown) path += "h0";  // a point alone is seen, too
      isDown = true;
    });
    svg.append(make("path", { class: `line of-${place % 6}`, d: path || "M0 0" }));
  });
  svg.append(make("text", { class: "middle", x: (LEFT + RIGHT) / 2, y: BOTTOM + 30 }, `${points.length} steps`));
  return lines;
}

function told(points) {
  if (points.length === 0) return "No step was taken yet.";
  const levels = new Set(points.map(({ level }) => level)).size;
  const [first, last] = [points[0], points.at(-1)].map(({ loss }) => number(loss));
  return `Loss over ${points.length} steps in ${levels} levels, from ${first} to ${last}`;
}

export function tabulate(body, lines) {
  body.replaceChildren(...lines.map(({ name, values }, place) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    const swatch = make("svg", { class: "swatch", viewBox: "0 0 32 11", "aria-hidden": "true" });
    swatch.append(make("line", { class: `of-${place % 6}`, x1: 0, y1: 6, x2: 32, y2: 6, "stroke-width": 3 }));
    head.append(swatch, name);
    const cells = [values.find((value) => value !== null), values.at(-1)].map((value) => {
      const cell = document.createElement("td");
      cell.textContent = number(value);
      return cell;
    });
    row.append(head, ...cells);
    return row;
  }));
}
