// What a model's author wrote reaches the page as text only: nothing here takes HTML.

// el makes an element. Properties that are functions are listeners; of the rest,
// those with a dash, role and tabindex are attributes. Children are elements or text.
export function el(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  fill(e, props);
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

const SVG = "http://www.w3.org/2000/svg";

// svg makes an element of a drawing.
export function svg(tag, attributes = {}, ...children) {
  const e = document.createElementNS(SVG, tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

function fill(e, props) {
  for (const [k, v] of Object.entries(props)) {
    if (v === undefined || v === null) continue;
    if (typeof v === "function") e.addEventListener(k, v);
    else if (k === "class") e.className = v;
    else if (k === "for") e.htmlFor = v;
    else if (k.includes("-") || k === "role" || k === "tabindex") e.setAttribute(k, v);
    else e[k] = v;
  }
}

export const byId = (id) => document.getElementById(id);

let counter = 0;

// unique gives an id that nothing else of the page has.
export function unique(prefix = "f") {
  counter += 1;
  return `${prefix}-${counter}`;
}

// show hides an element, or not.
export function show(e, visible = true) {
  e.hidden = !visible;
}

// say puts text into a live region so that it is read aloud even when it is the same.
export function say(e, text) {
  e.textContent = "";
  if (text) requestAnimationFrame(() => { e.textContent = text; });
}

// bytes writes a size for people.
export function bytes(n) {
  if (n < 1000) return `${n} B`;
  for (const unit of ["kB", "MB", "GB"]) {
    n /= 1000;
    if (n < 1000 || unit === "GB") return `${short(n)} ${unit}`;
  }
}

// short writes a number in three digits.
export function short(n) {
  return Number(n.toPrecision(3)).toString();
}

// time writes milliseconds for people.
export function time(ms) {
  if (ms < 1) return `${Math.max(1, Math.round(ms * 1000))} µs`;
  if (ms < 1000) return `${short(ms)} ms`;
  return `${short(ms / 1000)} s`;
}

// count writes a large count for people.
export function count(n) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (n >= size) return `${short(n / size)} ${unit}`;
  }
  return String(n);
}

// number writes a value of an output: all that a person reads of a float.
export function number(v) {
  if (typeof v !== "number") return String(v);
  if (Number.isInteger(v)) return String(v);
  const text = Math.abs(v) >= 1e-4 && Math.abs(v) < 1e7 ? String(Number(v.toPrecision(7))) : v.toExponential(4);
  return text;
}

// clip shortens a text that is too long.
export const clip = (text, n) => (text.length > n ? `${text.slice(0, n - 1)}…` : text);
