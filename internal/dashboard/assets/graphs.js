// Graphs of what a container uses.
import { el, svg, bytes, count, short } from "./dom.js";
import { percent } from "./api.js";

const W = 240, H = 64;

const GRAPHS = [
  { title: "Processors", lines: [["cpu", "used"]], words: percent },
  { title: "Memory", lines: [["memory", "held"]], words: bytes, limit: "limit" },
  { title: "Fuel a second", lines: [["fuel", "burnt"]], words: (v) => count(Math.round(v)) },
  { title: "Network", lines: [["received", "received"], ["sent", "sent"]], words: (v) => `${bytes(Math.round(v))}/s` },
];

// graphs are figures of a history: points with a time each, over the last span seconds.
export function graphs(history, span, now) {
  const from = new Date(now).getTime() - span * 1000;
  const points = history.map((p) => ({ ...p, x: ((new Date(p.at).getTime() - from) / (span * 1000)) * W })).filter((p) => p.x >= 0);
  return GRAPHS.map((g) => graph(g, points, span));
}

function graph(g, points, span) {
  const most = Math.max(0, ...g.lines.flatMap(([key]) => points.map((p) => p[key])));
  const top = ceiling(most, g.words === bytes ? 1024 : 10);
  const last = points.at(-1);
  const words = (key) => (last ? g.words(last[key]) : "–");
  const limit = g.limit && last?.[g.limit] ? ` of ${g.words(last[g.limit])}` : "";
  const told = g.lines.map(([key, name]) => `${name} ${words(key)}`).join(", ");
  const drawing = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${g.title}: ${told}${limit}; the most was ${g.words(most)}`, preserveAspectRatio: "none" },
    svg("line", { class: "axis", x1: 0, x2: W, y1: H - 0.5, y2: H - 0.5 }), svg("line", { class: "axis faint", x1: 0, x2: W, y1: 0.5, y2: 0.5 }));
  g.lines.forEach(([key], i) => drawing.append(...lines(points, key, top, i, span)));
  return el("figure", { class: "chart" },
    el("figcaption", {}, g.title),
    el("div", { class: "legend" }, g.lines.map(([key, name], i) => el("span", { class: `tone tone-${i}` }, `${name} `, el("b", {}, words(key)), i === 0 ? limit : ""))),
    el("div", { class: "plot" }, drawing, el("span", { class: "mark", "aria-hidden": "true" }, top > 0 ? g.words(top) : "")),
    el("div", { class: "ends", "aria-hidden": "true" }, el("span", {}, `${short(span / 60)} min ago`), el("span", {}, "now")));
}

// lines are the unbroken parts of a series: where nobody asked for a while there is a gap.
function lines(points, key, top, i, span) {
  const gap = (30 / span) * W, parts = [];
  let before = -Infinity;
  for (const p of points) {
    if (p.x - before > gap) parts.push([]);
    parts.at(-1).push([p.x, H - 1 - (top > 0 ? p[key] / top : 0) * (H - 4)]);
    before = p.x;
  }
  return parts.map((part) => svg("polyline", {
    class: `line line-${i}`, "vector-effect": "non-scaling-stroke",
    points: (part.length === 1 ? [part[0], [part[0][0] + 1.5, part[0][1]]] : part).map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "),
  }));
}

function ceiling(v, base) {
  if (v <= 0) return 0;
  const size = base ** Math.floor(Math.log(v) / Math.log(base));
  const steps = base === 10 ? [1, 2, 5, 10] : [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
  return (steps.find((m) => m * size >= v) ?? base) * size;
}

// spark is a small line of the last values, without words: they stand beside it.
export function spark(values) {
  const drawing = svg("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" });
  if (values.length > 1) {
    const top = Math.max(0.05, ...values);
    drawing.append(svg("polyline", {
      class: "line", "vector-effect": "non-scaling-stroke",
      points: values.map((v, i) => `${((i / (values.length - 1)) * 100).toFixed(1)},${(22 - (v / top) * 20).toFixed(1)}`).join(" "),
    }));
  }
  return drawing;
}
