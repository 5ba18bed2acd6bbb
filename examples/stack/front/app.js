// The page: a form that asks the back end, and what it has kept so far. Everything that
// comes from there is set as text, never as markup.
const SIZES = [
  { name: "sepal_length", label: "Sepal length", most: 8, value: 5.1 },
  { name: "sepal_width", label: "Sepal width", most: 5, value: 3.5 },
  { name: "petal_length", label: "Petal length", most: 7, value: 1.4 },
  { name: "petal_width", label: "Petal width", most: 3, value: 0.2 },
];
const SPECIES = ["setosa", "versicolor", "virginica"];
const EXAMPLES = [[5.1, 3.5, 1.4, 0.2], [6.0, 2.9, 4.5, 1.5], [6.7, 3.0, 5.2, 2.3], [6.0, 2.7, 5.1, 1.6], [4.3, 2.0, 1.0, 0.1], [5.7, 2.8, 4.1, 1.3], [7.9, 4.4, 6.9, 2.5]];
const $ = (selector) => document.querySelector(selector);

function make(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "line", "text", "circle", "rect", "path", "title"].includes(name);
  const e = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

// known is a class for a species, as far as it is one of the three.
const known = (species) => (SPECIES.includes(species) ? species : "");
const percent = (p) => `${(100 * p).toFixed(1)} %`;

/* The form */

function field({ name, label, most, value }) {
  const number = make("input", { type: "number", id: name, name, min: 0.1, max: 20, step: 0.1, value, inputmode: "decimal", required: "" });
  const range = make("input", { type: "range", min: 0.1, max: most, step: 0.1, value, "aria-label": `${label}, to be dragged` });
  range.addEventListener("input", () => { number.value = range.value; });
  number.addEventListener("input", () => { range.value = number.value; });
  return make("div", { class: "field" }, make("label", { for: name }, label), range, number);
}

function filled() {
  const flower = {};
  let first = null;
  for (const { name } of SIZES) {
    const input = document.getElementById(name);
    const ok = input.value !== "" && input.checkValidity();
    input.toggleAttribute("aria-invalid", !ok);
    if (!ok) input.setAttribute("aria-invalid", "true");
    if (!ok) first ??= input;
    flower[name] = input.valueAsNumber;
  }
  if (first) {
    say(`${first.labels[0].textContent} is to be a number from 0.1 to 20, with one digit behind the point.`);
    first.focus();
    return null;
  }
  return flower;
}

function say(text) { $("#wrong").textContent = text; }

async function call(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is the stack up?");
  }
  const body = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : { error: (await answer.text()).slice(0, 200) };
  if (!answer.ok) throw new Error(body.error || `The server says ${answer.status}.`);
  return body;
}

async function send(event) {
  event.preventDefault();
  say("");
  const flower = filled();
  if (!flower) return;
  $("#send").disabled = true;
  try {
    const row = await call("api/flowers", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(flower) });
    $("#answer").replaceChildren(
      make("span", { class: "quiet" }, `Flower no. ${row.id} is an`),
      make("strong", {}, `Iris ${row.species}`),
      make("meter", { min: 0, max: 1, value: row.probability, "aria-label": "How sure the model is" }),
      make("span", { class: "quiet" }, `${percent(row.probability)} sure`),
    );
    await load(row.id);
  } catch (e) {
    $("#answer").replaceChildren();
    say(e.message);
  } finally {
    $("#send").disabled = false;
  }
}

/* What there is so far */

const box = { left: 40, right: 410, top: 10, bottom: 262 };
const across = (length) => box.left + (Math.min(length, 7.5) / 7.5) * (box.right - box.left);
const up = (width) => box.bottom - (Math.min(width, 3) / 3) * (box.bottom - box.top);

// mark is a shape of its own for each species: colour is not all that tells them apart.
function mark(species, x, y, size = 4.5) {
  const attributes = { class: known(species) };
  if (species === "versicolor") return make("rect", { ...attributes, x: x - size, y: y - size, width: 2 * size, height: 2 * size });
  if (species === "virginica") return make("path", { ...attributes, d: `M${x} ${y - size - 1} L${x + size + 1} ${y + size} L${x - size - 1} ${y + size} Z` });
  return make("circle", { ...attributes, cx: x, cy: y, r: size });
}

function draw(flowers, counts, newest) {
  const parts = [];
  for (let n = 0; n <= 7; n++) {
    parts.push(make("line", { class: "grid", x1: across(n), x2: across(n), y1: box.top, y2: box.bottom }), make("text", { x: across(n), y: 278, "text-anchor": "middle" }, String(n)));
  }
  for (let n = 0; n <= 3; n++) {
    parts.push(make("line", { class: "grid", x1: box.left, x2: box.right, y1: up(n), y2: up(n) }), make("text", { x: 30, y: up(n) + 4, "text-anchor": "end" }, String(n)));
  }
  parts.push(make("text", { x: box.right, y: 296, "text-anchor": "end" }, "petal length, cm"), make("text", { x: 14, y: 150, transform: "rotate(-90 14 150)", "text-anchor": "middle" }, "petal width, cm"));
  for (const f of flowers.toReversed()) {
    const x = across(f.petal_length), y = up(f.petal_width);
    const point = make("g", { "data-id": f.id }, mark(f.species, x, y));
    if (f.id === newest) point.append(make("circle", { class: "newest", cx: x, cy: y, r: 10 }));
    parts.push(point);
  }
  const all = Object.values(counts).reduce((a, b) => a + b, 0);
  const told = SPECIES.map((s) => `${counts[s] ?? 0} ${s}`).join(", ");
  $("#chart").replaceChildren(make("title", { id: "chart-title" }, `Petals of the flowers so far: ${told}`), ...parts);
  $("#legend").replaceChildren(...SPECIES.map((s) => make("span", {}, make("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, mark(s, 7, 7)), s, make("b", {}, String(counts[s] ?? 0)))));
  $("#count").textContent = all === 1 ? "1 flower" : `${all} flowers`;
}

function list(flowers, newest) {
  $("#list").replaceChildren(...flowers.map((f) => {
    const row = make("tr", f.id === newest ? { class: "newest" } : {});
    const cells = [f.id, f.species, percent(f.probability), `${f.sepal_length} × ${f.sepal_width}`, `${f.petal_length} × ${f.petal_width}`, new Date(f.made).toLocaleString()];
    row.append(...cells.map((text) => make("td", {}, String(text))));
    return row;
  }));
}

async function load(newest) {
  const { flowers, counts } = await call("api/flowers");
  draw(flowers, counts, newest);
  list(flowers, newest);
}

// first loads what there is; while the stack is still coming up it tries again.
async function first() {
  for (let pause = 500; ; pause = Math.min(2 * pause, 8000)) {
    try {
      await load();
      return say("");
    } catch (e) {
      say(e.message);
      await new Promise((done) => setTimeout(done, pause));
    }
  }
}

let example = 0;
$("#fields").append(...SIZES.map(field));
$("#form").addEventListener("submit", send);
$("#another").addEventListener("click", () => {
  example = (example + 1) % EXAMPLES.length;
  SIZES.forEach(({ name }, i) => {
    const input = document.getElementById(name);
    input.value = EXAMPLES[example][i];
    input.dispatchEvent(new Event("input"));
  });
});
draw([], {});
first();
