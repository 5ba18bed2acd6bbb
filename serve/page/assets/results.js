// What a model answered, as a person wants to see it: a number, classes as bars, a
// table, a picture, text; and whatever is none of these as JSON.
import { el, svg, bytes, number, clip } from "./dom.js";
import { pretty } from "./json.js";
import { isFloat, isInteger, shape } from "./types.js";
import * as csv from "./csv.js";

const ROWS = 200; // of a table that are shown
const BARS = 10; // classes that are shown
const TEXT = 20000; // letters of JSON that are shown

// Links to what can be saved, and pictures, hold their bytes until they are let go.
const held = [];

function hold(blob) {
  held.push(URL.createObjectURL(blob));
  return held.at(-1);
}

// release lets go of what earlier answers hold.
export function release() {
  for (const url of held.splice(0)) URL.revokeObjectURL(url);
}

// results gives the elements that show an answer. inputs are the request's values by
// name, which name the rows of some.
export function results(signature, answer, inputs = {}) {
  const shown = [];
  const outputs = signature.outputs.filter((f) => Object.hasOwn(answer, f.name));
  const rows = together(outputs, answer);
  const table = rows.length > 1 && answer[rows[0].name].length > 1;
  if (table) shown.push(block(rows.map((f) => f.name).join(", "), "", columnsTable(rows, answer)));
  for (const f of outputs) {
    if (table && rows.includes(f)) continue;
    const v = rows.length > 0 && rows.includes(f) && answer[f.name].length === 1 ? answer[f.name][0] : answer[f.name]; // of one row, its value
    shown.push(block(f.name, f.parameters?.description ?? "", ...output(f, v, inputs)));
  }
  for (const name of Object.keys(answer)) {
    if (!signature.outputs.some((f) => f.name === name)) shown.push(block(name, "", json(answer[name])));
  }
  return shown;
}

// rows shows the answers to as many requests, each beside what was asked.
export function rows(signature, answers, asked) {
  const inputs = signature.inputs.filter((f) => asked.some((r) => Object.hasOwn(r, f.name)));
  const head = [...signature.outputs, ...inputs].map((f) => f.name);
  const body = answers.slice(0, ROWS).map((a, r) => [
    ...signature.outputs.map((f) => cell(one(a[f.name] ?? null), f)), ...inputs.map((f) => cell(asked[r]?.[f.name] ?? null)),
  ]);
  return [block(`${answers.length} rows`, "", tableOf(head, body, answers.length))];
}

// one is the element of a list of one.
const one = (v) => (Array.isArray(v) && v.length === 1 ? one(v[0]) : v);

function block(name, words, ...content) {
  return el("div", { class: "result" }, el("h3", {}, name), words && el("p", { class: "hint" }, words), content);
}

// together are the outputs with one element for each of the same rows.
function together(outputs, answer) {
  const lists = outputs.filter((f) => !f.parameters?.kind?.match(/image|file|json|table/) && isFlat(answer[f.name]) && f.shape?.length !== 0);
  const length = lists[0] ? answer[lists[0].name].length : 0;
  const same = lists.filter((f) => answer[f.name].length === length);
  return length > 0 && same.length === lists.length ? same : [];
}

const isFlat = (v) => Array.isArray(v) && v.every((x) => typeof x !== "object" || x === null);
const isMatrix = (v) => Array.isArray(v) && v.length > 0 && v.every((r) => isFlat(r) && r.length === v[0].length) && v[0].length > 0;
const isNumeric = (v) => v.every((x) => typeof x === "number");

function columnsTable(fields, answer) {
  const length = answer[fields[0].name].length;
  const body = Array.from({ length: Math.min(length, ROWS) }, (_, r) => fields.map((f) => cell(answer[f.name][r], f)));
  return tableOf(fields.map((f) => f.name), body, length);
}

function cell(v, f) {
  const label = f && isInteger(f.datatype) ? f.parameters?.labels?.[v] : undefined;
  if (label !== undefined) return `${label} (${v})`;
  return v === null ? "" : typeof v === "object" ? pretty(v) : number(v);
}

// tableOf is a table of words, of which length rows there are.
function tableOf(head, body, length = body.length) {
  return el("div", {},
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Answer, table" },
      el("table", {}, el("thead", {}, el("tr", {}, el("td", {}), head.map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", {}, body.map((row, r) => el("tr", {}, el("th", { scope: "row" }, String(r + 1)), row.map((c) => el("td", {}, c))))))),
    length > body.length && el("p", { class: "hint" }, `the first ${body.length} of ${length} rows`),
    el("p", {}, saved(`${head[0]}.csv`, new Blob([csv.write([head, ...body])], { type: "text/csv" }), length > body.length ? "Save these rows as CSV" : "Save as CSV")));
}

// output shows one output.
function output(f, v, inputs) {
  const p = f.parameters ?? {};
  if (p.kind === "image") return [pictureOf(f, v)];
  if (p.kind === "file") return [fileOf(f, v)];
  if (p.kind === "table" || (p.kind === "json" && isRecords(v))) return [recordsOf(f, v)];
  if (p.kind === "json") return isObject(v) ? [facts(v)] : [scalarOr(v)];
  if (typeof v !== "object" || v === null) return [scalar(f, v)];
  if (isObject(v)) return Object.keys(v).join() === "base64" ? [fileOf(f, v)] : [json(v)];
  return tensor(f, v, inputs);
}

const isObject = (v) => typeof v === "object" && v !== null && !Array.isArray(v);
const isRecords = (v) => Array.isArray(v) && v.length > 0 && v.every((r) => isObject(r) && Object.values(r).every((x) => typeof x !== "object" || x === null));

const scalarOr = (v) => (typeof v === "object" && v !== null ? json(v) : el("p", { class: "value" }, typeof v === "string" ? v : number(v)));

function scalar(f, v) {
  if (typeof v === "string") {
    return v.length > 80 || v.includes("\n") ? el("pre", { class: "text", tabindex: 0 }, v) : el("p", { class: "value" }, v);
  }
  const label = cell(v, f);
  if (isFloat(f.datatype) && v >= 0 && v <= 1) return el("div", { class: "gauge" }, el("p", { class: "value" }, label), bar(v));
  return el("p", { class: "value" }, label);
}

// bar is a part of one as a line; what it says stands beside it.
function bar(part) {
  const width = Math.max(0, Math.min(1, part)) * 100;
  return svg("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    svg("rect", { class: "bar-all", width: 100, height: 8 }), svg("rect", { class: "bar-part", width, height: 8 }));
}

// facts is an object of plain values as a list of names and values.
function facts(v) {
  if (Object.values(v).some((x) => typeof x === "object" && x !== null)) return json(v);
  return el("dl", { class: "facts" }, Object.entries(v).flatMap(([k, x]) => [el("dt", {}, k), el("dd", {}, typeof x === "string" ? x : number(x))]));
}

function recordsOf(f, v) {
  if (typeof v === "string") {
    const rows = csv.parse(v);
    if (rows.length > 1) return tableOf(rows[0], rows.slice(1, ROWS + 1), rows.length - 1);
  }
  if (isRecords(v)) {
    const head = [...new Set(v.slice(0, ROWS).flatMap(Object.keys))];
    return tableOf(head, v.slice(0, ROWS).map((r) => head.map((h) => cell(r[h] ?? null))), v.length);
  }
  if (isObject(v) && Object.values(v).every(isFlat)) {
    const head = Object.keys(v), length = Math.max(0, ...Object.values(v).map((c) => c.length));
    return tableOf(head, Array.from({ length: Math.min(length, ROWS) }, (_, r) => head.map((h) => cell(v[h][r] ?? null))), length);
  }
  return json(v);
}

// tensor shows numbers or texts in lists.
function tensor(f, v, inputs) {
  const p = f.parameters ?? {};
  if (isFlat(v) && v.length > 0 && f.datatype === "BYTES") return [tableOf([f.name], v.slice(0, ROWS).map((x) => [String(x)]), v.length)];
  const rows = isFlat(v) ? [v] : isMatrix(v) ? v : null;
  if (rows && isNumeric(rows.flat())) {
    const width = rows[0].length;
    if (p.labels?.length === width || (width > 1 && rows.every(isDistribution))) return classes(rows, p.labels);
    if (width === 1) return [tableOf([f.name], rows.slice(0, ROWS).map((r) => [cell(r[0], f)]), rows.length)];
    if (width >= 32 && isFloat(f.datatype)) return vectors(f, rows, inputs);
    if (width <= 32) return [tableOf(rows[0].map((_, i) => p.columns?.[i]?.name ?? String(i)), rows.slice(0, ROWS).map((r) => r.map((x) => cell(x))), rows.length)];
  }
  const map = asPicture(f, v);
  return map ? [map, folded(v)] : [dimensions(v), json(v)];
}

const isDistribution = (row) => row.every((x) => x >= 0 && x <= 1) && Math.abs(row.reduce((a, b) => a + b, 0) - 1) < 0.01;

// classes shows how likely each is.
function classes(rows, labels, bars = BARS) {
  return rows.slice(0, 5).map((row, r) => {
    const best = row.map((x, i) => [x, i]).sort((a, b) => b[0] - a[0]).slice(0, bars);
    const within = row.every((x) => x >= 0 && x <= 1), most = Math.max(...best.map(([x]) => Math.abs(x)), 1e-12);
    return el("div", {}, rows.length > 1 && el("h4", {}, `Row ${r + 1}`),
      el("ul", { class: "bars" }, best.map(([x, i]) => el("li", {},
        el("span", { class: "bar-name" }, labels?.[i] ?? `number ${i}`), bar(within ? x : x / most),
        el("span", { class: "bar-value" }, within ? percent(x) : number(x))))),
      row.length > bars && el("p", { class: "hint" }, `the highest ${bars} of ${row.length}`));
  }).concat(rows.length > 5 ? [el("p", { class: "hint" }, `the first 5 of ${rows.length} rows`)] : []);
}

const percent = (x) => `${(100 * x).toFixed(x > 0 && x < 0.001 ? 3 : 1)} %`;

// vectors shows rows of many numbers: each as a strip of colours and, where there are
// several, how alike they are.
function vectors(f, rows, inputs) {
  const names = Object.values(inputs).find((v) => isFlat(v) && v.length === rows.length && v.every((x) => typeof x === "string"));
  const name = (i) => clip(names?.[i] ?? `row ${i + 1}`, 60);
  const shown = rows.slice(0, 12);
  const list = shown.map((row, i) => el("figure", { class: "strip" }, strip(row, `${f.name}, ${name(i)}: ${row.length} numbers`), el("figcaption", {}, name(i))));
  const parts = [el("p", { class: "hint" }, `${rows.length} ${rows.length === 1 ? "vector" : "vectors"} of ${rows[0].length} numbers, from ${number(least(rows))} to ${number(-least(rows.map((r) => r.map((x) => -x))))}`), ...list];
  if (shown.length === 1) parts.push(...classes(rows, null, 5));
  if (shown.length > 1) {
    const body = shown.map((a) => shown.map((b) => cosine(a, b)));
    parts.push(el("h4", {}, "How alike they are (cosine)"),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "How alike the rows are" },
        el("table", { class: "alike" }, el("tbody", {}, body.map((row, i) => el("tr", {}, el("th", { scope: "row" }, clip(name(i), 28)),
          row.map((x) => { const td = el("td", {}, x.toFixed(2)); td.style.setProperty("--alike", Math.max(0, x).toFixed(3)); return td; })))))));
  }
  parts.push(folded(rows));
  return parts;
}

const least = (rows) => rows.reduce((m, r) => r.reduce((a, b) => Math.min(a, b), m), Infinity);

function cosine(a, b) {
  let ab = 0, aa = 0, bb = 0;
  for (let i = 0; i < a.length; i++) { ab += a[i] * b[i]; aa += a[i] * a[i]; bb += b[i] * b[i]; }
  return aa && bb ? ab / Math.sqrt(aa * bb) : 0;
}

function strip(row, words) {
  const width = Math.min(row.length, 2048), most = row.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-12);
  return paint(width, 1, words, (i) => diverging(row[Math.floor((i * row.length) / width)] / most));
}

// diverging is blue below and orange above nothing.
const diverging = (x) => (x < 0 ? [255 + x * 222, 255 + x * 153, 255 + x * 83] : [255 - x * 31, 255 - x * 152, 255 - x * 230]);

function paint(w, h, words, colour) {
  const canvas = el("canvas", { width: w, height: h, role: "img", "aria-label": words });
  const context = canvas.getContext("2d"), data = context.createImageData(w, h);
  for (let i = 0; i < w * h; i++) data.data.set([...colour(i).map(Math.round), 255], 4 * i);
  context.putImageData(data, 0, 0);
  return canvas;
}

// asPicture shows a map of numbers, or colours, as a picture; null when it is none.
function asPicture(f, v) {
  while (Array.isArray(v) && v.length === 1) v = v[0];
  if (isMatrix(v) && v.length >= 8 && v[0].length >= 8 && isNumeric(v.flat())) {
    const flat = v.flat(), low = least([flat]), high = -least([flat.map((x) => -x)]);
    const picture = paint(v[0].length, v.length, `${f.name}: a map of ${v.length} by ${v[0].length} numbers`, (i) => {
      const x = high > low ? (flat[i] - low) / (high - low) : 0;
      return [255 * x, 255 * x, 255 * x];
    });
    picture.className = "preview";
    enlarge(picture);
    return el("figure", {}, picture, el("figcaption", { class: "hint" }, `${v.length} × ${v[0].length}: black is ${number(low)}, white is ${number(high)}`));
  }
  const first = Array.isArray(v) && v.length === 3 && v.every((c) => isMatrix(c) && isNumeric(c.flat()));
  if (!first || v[0].length < 8 || v[0][0].length < 8) return null;
  const top = -least(v.flat().map((r) => r.map((x) => -x))), scale = top <= 1.001 ? 255 : 1, w = v[0][0].length;
  const picture = paint(w, v[0].length, `${f.name}: a picture`, (i) => v.map((c) => c[Math.floor(i / w)][i % w] * scale));
  picture.className = "preview";
  enlarge(picture);
  return picture;
}

// enlarge shows a small map large enough to be seen, its points as squares.
function enlarge(picture) {
  if (picture.width < 240) picture.style.width = "240px";
  if (picture.width <= 120) picture.style.imageRendering = "pixelated";
}

function dimensions(v) {
  const sizes = [];
  for (let x = v; Array.isArray(x); x = x[0]) sizes.push(x.length);
  return sizes.length > 1 ? el("p", { class: "hint" }, shape(sizes)) : null;
}

function folded(v) {
  const all = el("details", {}, el("summary", {}, "Numbers"));
  all.addEventListener("toggle", () => { if (all.open && all.childElementCount === 1) all.append(json(v)); });
  return all;
}

function json(v) {
  const text = clip(pretty(v), TEXT);
  return el("pre", { class: "text", tabindex: 0 }, text);
}

// decode gives the bytes of a file in an answer.
function decode(v) {
  const text = isObject(v) && typeof v.base64 === "string" ? v.base64 : null;
  if (text !== null) return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  if (typeof v !== "string") return null;
  return new TextEncoder().encode(v);
}

const KINDS = [["image/png", [0x89, 0x50, 0x4e, 0x47]], ["image/jpeg", [0xff, 0xd8, 0xff]], ["image/gif", [0x47, 0x49, 0x46, 0x38]], ["image/webp", [0x52, 0x49, 0x46, 0x46]], ["image/bmp", [0x42, 0x4d]]];

function pictureOf(f, v) {
  const content = decode(v);
  const kind = content && KINDS.find(([, magic]) => magic.every((b, i) => content[i] === b))?.[0];
  if (!kind) return fileOf(f, v); // SVG, too: it would be a document
  const blob = new Blob([content], { type: kind });
  return el("figure", {}, el("img", { class: "preview", src: hold(blob), alt: `${f.name}: the picture that the model gave` }),
    el("figcaption", {}, saved(`${f.name}.${kind.slice(6).replace("jpeg", "jpg")}`, blob, `Save, ${bytes(blob.size)}`)));
}

function fileOf(f, v) {
  const content = decode(v);
  if (!content) return json(v);
  if (content.length === 0) return el("p", { class: "hint" }, "empty");
  return el("p", {}, saved(`${f.name}.bin`, new Blob([content]), `Save, ${bytes(content.length)}`));
}

// saved is a link that saves a file.
export function saved(name, blob, words) {
  return el("a", { href: hold(blob), download: name, class: "save" }, words);
}
