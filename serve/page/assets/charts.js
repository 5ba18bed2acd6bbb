// Small charts of what a server did: lines over the last minutes.
import { el, svg, time, short, bytes } from "./dom.js";

const W = 240, H = 64;

const CHARTS = [
  { title: "Requests a second", lines: [["answered", "answered"], ["failed", "failed"]], words: (v) => `${short(v)}/s` },
  { title: "Latency", lines: [["p50", "p50", "half of the answers are faster"], ["p99", "p99", "99 of 100 are faster"]], words: time },
  { title: "Waiting in the queue", lines: [["queue", "mean"]], words: time },
];

// draw puts the charts of a history in a place.
export function draw(place, now, history) {
  const charts = CHARTS.map((c) => chart(c, history.points, history.span_seconds));
  place.replaceChildren(...charts);
  const parts = [];
  if (history.running !== undefined) parts.push(`${history.running} running, ${history.waiting} waiting`);
  if (history.instances) parts.push(`${history.instances} ${history.instances === 1 ? "instance" : "instances"}`);
  if (history.memory) parts.push(`${bytes(history.memory)} of memory`);
  now.textContent = parts.join(" · ");
}

function chart(c, points, span) {
  const values = c.lines.flatMap(([key]) => points.map((p) => p[key])).filter((v) => v !== null && v !== undefined);
  const most = Math.max(...values, 0), top = ceiling(most);
  const described = c.lines.map(([key, name]) => `${name} ${last(points, key, c.words)}`).join(", ");
  const drawing = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${c.title}: ${described}; the highest is ${most > 0 ? c.words(most) : "nothing"}`, preserveAspectRatio: "none" },
    svg("line", { class: "axis", x1: 0, x2: W, y1: H - 0.5, y2: H - 0.5 }), svg("line", { class: "axis faint", x1: 0, x2: W, y1: 0.5, y2: 0.5 }));
  c.lines.forEach(([key], i) => {
    if (i === 0 || points.some((p) => p[key] > 0)) drawing.append(...line(points, key, top, i));
  });
  return el("figure", { class: "chart" },
    el("figcaption", {}, c.title),
    el("div", { class: "legend" }, c.lines.map(([key, name, long], i) => el("span", { class: `tone tone-${i}`, title: long ?? "" }, `${name} `, el("b", {}, last(points, key, c.words))))),
    el("div", { class: "plot" }, drawing, el("span", { class: "mark", "aria-hidden": "true" }, top > 0 ? c.words(top) : "")),
    el("div", { class: "ends", "aria-hidden": "true" }, el("span", {}, `${Math.round((points.length * span) / 60)} min ago`), el("span", {}, "now")));
}

// line draws each unbroken part of a series; one point alone is a dot.
function line(points, key, top, i) {
  const parts = [];
  let open = null;
  points.forEach((p, x) => {
    const v = p[key];
    if (v === null || v === undefined) { open = null; return; }
    if (!open) parts.push(open = []);
    open.push([(x / Math.max(1, points.length - 1)) * W, H - 1 - (top > 0 ? v / top : 0) * (H - 4)]);
  });
  return parts.map((p) => svg("polyline", {
    class: `line line-${i}`, "vector-effect": "non-scaling-stroke",
    points: (p.length === 1 ? [p[0], [p[0][0] + 1.5, p[0][1]]] : p).map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "),
  }));
}

// last is the newest value there is.
function last(points, key, words) {
  const v = points.findLast((p) => p[key] !== null && p[key] !== undefined)?.[key];
  return v === undefined ? "–" : v === 0 ? "0" : words(v);
}

// ceiling is a round number above all values.
function ceiling(v) {
  if (v <= 0) return 0;
  const size = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 5, 10].find((m) => m * size >= v) * size;
}
