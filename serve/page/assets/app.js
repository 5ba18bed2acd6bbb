// The playground: which models there are, the form of one, what it answers, and how
// the server is doing.
import { el, byId, show, say, bytes, time, count, clip } from "./dom.js";
import { field } from "./fields.js";
import { Wrong, kindOf, isOne } from "./types.js";
import * as JSONText from "./json.js";
import { results, rows, saved, release } from "./results.js";
import { many } from "./table.js";
import { LANGUAGES, snippet, inFile } from "./snippets.js";
import { ask, get, key, Refused } from "./ask.js";
import { draw } from "./charts.js";

const state = { models: [], model: null, controls: [], rows: null, language: "curl", request: null, running: null };

async function start() {
  theme();
  byId("key-form").addEventListener("submit", (e) => {
    e.preventDefault();
    key.set(byId("key-value").value);
    load();
  });
  await load();
}

// load asks for the models, and for a key when the server wants one.
async function load() {
  let known;
  try {
    known = await get("playground/data/models");
  } catch (e) {
    if (e.status === 401 || e.status === 403) {
      show(byId("key"));
      byId("key-error").textContent = key.has() ? "The server does not take this key." : "";
      byId("key-value").focus();
      return;
    }
    fatal(e.message);
    return;
  }
  show(byId("key"), false);
  state.models = known.models;
  byId("server").textContent = `Wherry ${known.server ?? ""}`.trim();
  const named = decodeURIComponent(/\/m\/([^/]+)\/$/.exec(location.pathname)?.[1] ?? "");
  state.model = known.models.find((m) => (named ? m.name === named : m.default)) ?? null;
  if (!state.model) {
    fatal(`This server has no model “${named}”.`);
    return;
  }
  navigation(named !== "");
  open(state.model);
}

function fatal(message) {
  byId("main").append(el("p", { class: "notice bad", role: "alert" }, message));
}

// navigation lists the models when there are several.
function navigation(below) {
  const nav = byId("models");
  show(nav, state.models.length > 1);
  nav.replaceChildren(...state.models.map((m) => el("a", {
    href: `${below ? "../" : "m/"}${encodeURIComponent(m.name)}/`,
    ...(m === state.model ? { "aria-current": "page" } : {}),
  }, m.name)));
}

// open shows a model.
function open(m) {
  show(byId("page"));
  document.title = `${m.name} – Wherry`;
  byId("title").textContent = m.name;
  const platform = { onnxruntime_onnx: "ONNX Runtime", python: "Python" }[m.signature?.platform] ?? m.signature?.platform;
  byId("meta").replaceChildren(...[
    el("span", { class: `state ${m.state === "READY" ? "good" : ""}` }, m.state === "READY" ? "ready" : m.state.toLowerCase()),
    el("span", {}, `version ${m.version}`),
    platform && el("span", {}, platform),
    m.digest && el("code", { title: m.digest }, m.digest.slice(0, 19)),
    m.max_batch > 1 && el("span", {}, `batches of ${m.max_batch}`),
    ...(m.tasks ?? []).map((t) => el("span", {}, t)),
  ].filter(Boolean));
  if (!m.signature) {
    fatal(`${m.name} is not ready${m.reason ? `: ${m.reason}` : ""}. Reload the page when it is.`);
    return;
  }
  form(m);
  signature(m.signature);
  languages();
  watch();
}

// form makes the controls of the inputs.
function form(m) {
  state.controls = m.signature.inputs.map(field);
  byId("fields").replaceChildren(...state.controls.map((c) => c.element),
    ...(state.controls.length === 0 ? [el("p", { class: "hint" }, "This model takes no inputs.")] : []));
  examples(m);
  severalRows(m);
  clear();
  if (m.examples?.length > 0) fillIn(m.examples[0].inputs);
  const f = byId("form");
  f.addEventListener("submit", (e) => { e.preventDefault(); predict(); });
  f.addEventListener("input", () => refresh());
  f.addEventListener("change", () => refresh());
  f.addEventListener("keydown", (e) => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); predict(); }
  });
  byId("clear").addEventListener("click", () => { clear(); refresh(); });
  byId("cancel").addEventListener("click", () => state.running?.abort());
  refresh();
}

// severalRows offers a table where every input is one element: a request for each row.
function severalRows(m) {
  const inputs = m.signature.inputs, button = byId("many");
  const suits = inputs.length > 0 && inputs.every((f) => isOne(f) && !/image|file|table|json/.test(f.parameters?.kind ?? "")) && !m.signature.streams;
  show(button, suits);
  if (!suits) return;
  const control = many({ id: "row-cell", describedBy: "rows-wrong" }, inputs);
  byId("rows").replaceChildren(control.element, el("p", { class: "hint" }, "Each row is a request. Paste rows of a spreadsheet, or open a CSV file with the names of the inputs in its head."));
  control.set((m.examples ?? []).map((x) => x.inputs));
  button.addEventListener("click", () => {
    state.rows = state.rows ? null : control;
    button.setAttribute("aria-pressed", String(Boolean(state.rows)));
    show(byId("rows"), Boolean(state.rows));
    show(byId("fields"), !state.rows);
    show(byId("examples"), !state.rows && m.examples?.length > 0);
    byId("rows-wrong").textContent = "";
    refresh();
  });
}

function clear() {
  state.rows?.set([]);
  for (const c of state.controls) { c.clear(); c.mark(); }
}

// examples offers what the model's author tested it with.
function examples(m) {
  const list = m.examples ?? [];
  show(byId("examples"), list.length > 0);
  byId("examples").replaceChildren(el("span", { class: "hint", id: "examples-title" }, list.length === 1 ? "Example" : "Examples"), ...list.map((x, i) => el("button", {
    type: "button", class: "small", title: `Fill in the form with ${x.name || "this example"}`, click: () => { fillIn(x.inputs); refresh(); },
  }, x.name ? clip(x.name, 24) : `Example ${i + 1}`)));
}

function fillIn(values) {
  for (const c of state.controls) {
    c.mark();
    if (Object.hasOwn(values, c.field.name)) c.set(values[c.field.name]);
    else c.clear();
  }
}

// collect makes the request of what is in the form; null when something is wrong,
// which is then marked if mark is true.
function collect(mark) {
  const url = new URL("predict", location.href).href, common = { url, key: key.has(), stream: state.model.signature.streams };
  if (state.rows) return collectRows(mark, common);
  const given = [];
  let bad = null;
  for (const c of state.controls) {
    try {
      const v = c.get();
      if (v) given.push([c.field.name, v]);
      if (mark) c.mark();
    } catch (e) {
      if (!(e instanceof Wrong)) throw e;
      if (mark) c.mark(e.message);
      bad ??= c;
    }
  }
  if (bad) {
    if (mark) bad.focus();
    return null;
  }
  if (given.some(([, v]) => v.file)) {
    return { ...common, parts: given.map(([name, v]) => (v.file ? { name, file: v.file, filename: v.name } : { name, text: formText(v.json) })) };
  }
  const json = JSONText.object(given.map(([name, v]) => [name, v.json]));
  return { ...common, json, value: JSONText.parse(json) };
}

function collectRows(mark, common) {
  try {
    const { json } = state.rows.get();
    if (mark) byId("rows-wrong").textContent = "";
    return { ...common, json, value: JSONText.parse(json) };
  } catch (e) {
    if (!(e instanceof Wrong)) throw e;
    if (mark) byId("rows-wrong").textContent = e.message;
    return null;
  }
}

// formText is a value as a field of a form has it.
function formText(json) {
  const v = JSON.parse(json);
  return typeof v === "string" ? v : json;
}

// refresh writes the snippets anew.
let scheduled = 0;
function refresh() {
  clearTimeout(scheduled);
  scheduled = setTimeout(() => {
    state.request = collect(false);
    code();
  }, 60);
}

async function predict() {
  if (state.running) return;
  const request = collect(true);
  if (!request) {
    say(byId("status"), "Something in the form is missing or wrong.");
    return;
  }
  state.running = new AbortController();
  busy(true);
  show(byId("error"), false);
  say(byId("status"), "Asking the model…");
  const began = performance.now();
  try {
    const answer = await ask(request, state.running.signal, (parts) => partly(parts));
    present(answer, request, performance.now() - began);
  } catch (e) {
    failed(e, performance.now() - began);
  } finally {
    state.running = null;
    busy(false);
    setTimeout(charts, 300);
    reveal();
  }
}

// reveal brings what came into sight, where the screen has room for one column only.
function reveal() {
  const card = byId("answer-title").closest(".card"), top = card.getBoundingClientRect().top;
  if (top < innerHeight * 0.7 && top > -card.offsetHeight / 2) return;
  card.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function busy(on) {
  byId("predict").disabled = on;
  show(byId("cancel"), on);
  byId("results").setAttribute("aria-busy", String(on));
}

// partly shows what of a stream has come.
function partly(parts) {
  byId("results").replaceChildren(...results(ofParts(state.model.signature), joined(parts)));
  byId("status").textContent = `${parts.length} ${parts.length === 1 ? "part" : "parts"} so far`;
}

// ofParts is the signature of one part of an answer.
function ofParts(signature) {
  const outputs = signature.outputs.map((f) => (f.parameters?.part ? { ...f, shape: f.parameters.part } : f));
  return { ...signature, outputs };
}

// joined is the parts of a stream as one answer: texts one after the other, of all
// else the newest.
function joined(parts) {
  const whole = {};
  for (const part of parts) {
    for (const [name, v] of Object.entries(part)) {
      whole[name] = typeof v === "string" && typeof whole[name] === "string" ? whole[name] + v : v;
    }
  }
  return whole;
}

function present(answer, request, took) {
  const value = answer.parts ? joined(answer.parts) : answer.value;
  release();
  const shape = Array.isArray(value) && Array.isArray(request.value) ? rows : results;
  byId("results").replaceChildren(...shape(answer.parts ? ofParts(state.model.signature) : state.model.signature, value, request.value ?? {}));
  const text = answer.text ?? JSONText.pretty(value);
  const shown = answer.parts || text.length > 200000 ? text : JSONText.pretty(value);
  byId("raw-text").textContent = shown.length > 20000 ? `${shown.slice(0, 20000)}…` : shown;
  byId("raw").querySelector(".save")?.remove();
  if (shown.length > 20000) byId("raw").append(saved("answer.json", new Blob([text], { type: "application/json" }), `Save all, ${bytes(text.length)}`));
  show(byId("raw"));
  receipt(answer.receipt, took, answer.parts?.length);
  const other = answer.receipt.digest && state.model.digest && answer.receipt.digest !== state.model.digest;
  say(byId("status"), `Answered in ${time(took)}.${other ? " By another image than this page was made for: reload it." : ""}`);
}

// receipt shows who answered and what that took.
function receipt(r, took, parts) {
  const list = [
    ["Latency", time(took), "from the click to the last byte"],
    r.compute !== undefined && ["Computed in", time(r.compute * 1000), "in the model's sandbox"],
    r.queue !== undefined && ["Waited", time(r.queue * 1000), "for an instance to be free"],
    r.fuel && ["Fuel", count(r.fuel), "about as many instructions"],
    r.memory && ["Peak memory", bytes(r.memory), "of the sandbox"],
    r.batch && ["Batch", `${r.batch} rows`, "computed together"],
    r.kernels && ["Host kernels", r.kernels, "products of matrices that the host computed"],
    parts && ["Parts", String(parts), ""],
    r.digest && ["Image", r.digest.slice(0, 19), r.digest],
  ].filter(Boolean);
  byId("receipt").replaceChildren(...list.map(([name, value, title]) => el("div", { title }, el("dt", {}, name), el("dd", {}, value))));
  show(byId("receipt"));
}

// failed says what went wrong, beside the input if it is about one.
function failed(e, took) {
  show(byId("receipt"), false);
  show(byId("raw"), false);
  byId("results").replaceChildren();
  if (e.name === "AbortError") {
    say(byId("status"), `Canceled after ${time(took)}.`);
    return;
  }
  say(byId("status"), "");
  const status = e instanceof Refused ? [el("strong", {}, e.title), ` (${e.status}${e.reason ? `, ${e.reason}` : ""})`] : [el("strong", {}, "No answer")];
  byId("error").replaceChildren(el("p", {}, ...status), el("p", { class: "said" }, e.message),
    e.retryAfter && el("p", {}, `Ask again in ${e.retryAfter} s.`));
  show(byId("error"));
  if (e.status === 401) load();
  const about = state.controls.find((c) => e.reason === "bad_input" && e.message.startsWith(`${c.field.name}: `));
  if (about) {
    about.mark(e.message.slice(about.field.name.length + 2));
    about.focus();
  }
}

// languages makes the tabs of the snippets.
function languages() {
  const names = Object.keys(LANGUAGES);
  const tabs = names.map((name) => el("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "snippet", click: () => choose(name),
    keydown: (e) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      if (!step) return;
      e.preventDefault();
      choose(names[(names.indexOf(name) + step + names.length) % names.length]);
      byId(`tab-${state.language}`).focus();
    },
  }, LANGUAGES[name]));
  byId("languages").replaceChildren(...tabs);
  const choose = (name) => {
    state.language = name;
    for (const t of tabs) {
      const on = t.id === `tab-${name}`;
      t.setAttribute("aria-selected", String(on));
      t.tabIndex = on ? 0 : -1;
    }
    byId("snippet").setAttribute("aria-labelledby", `tab-${name}`);
    code();
  };
  choose(state.language);
  byId("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(byId("code").textContent);
      say(byId("copied"), "Copied.");
    } catch {
      getSelection().selectAllChildren(byId("code"));
      say(byId("copied"), "Press Ctrl + C: the browser does not let the page copy.");
    }
  });
}

// code shows the snippet of the form's request.
function code() {
  const r = state.request, link = byId("download");
  byId("copy").disabled = !r;
  byId("code").textContent = r ? snippet(state.language, r) : "Fill in the form, and its request stands here.";
  say(byId("copied"), "");
  if (link.href) URL.revokeObjectURL(link.href);
  link.removeAttribute("href");
  const made = r?.parts?.find((p) => p.filename?.endsWith(".npy"));
  const blob = r && inFile(r) ? new Blob([r.json], { type: "application/json" }) : made?.file;
  show(link, Boolean(blob));
  if (!blob) return;
  link.download = made ? made.filename : "request.json";
  link.textContent = `Download ${link.download}`;
  link.href = URL.createObjectURL(blob);
}

function signature(s) {
  const row = (f, way) => {
    const p = f.parameters ?? {};
    const notes = [p.description, p.optional && "optional", p.default !== undefined && `default ${JSON.stringify(p.default)}`,
      p.minimum !== undefined && `at least ${p.minimum}`, p.maximum !== undefined && `at most ${p.maximum}`,
      p.choices && `one of ${p.choices.slice(0, 20).join(", ")}${p.choices.length > 20 ? ", …" : ""}`,
      p.labels && `${p.labels.length} classes`, p.columns && `columns ${p.columns.slice(0, 30).map((c) => c.name).join(", ")}`].filter(Boolean);
    return el("tr", {}, el("td", {}, way), el("th", { scope: "row" }, f.name), el("td", {}, kindOf(f)), el("td", {}, notes.join(" · ")));
  };
  byId("signature").replaceChildren(
    el("thead", {}, el("tr", {}, ["", "Name", "Type", "Notes"].map((h) => (h ? el("th", { scope: "col" }, h) : el("td", {}))))),
    el("tbody", {}, s.inputs.map((f) => row(f, "in")), s.outputs.map((f) => row(f, "out"))));
}

// watch draws the charts every few seconds while somebody can see them.
function watch() {
  charts();
  setInterval(() => { if (!document.hidden) charts(); }, 5000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) charts(); });
}

async function charts() {
  try {
    draw(byId("charts"), byId("now"), await get("playground/data/history"));
  } catch (e) {
    byId("now").textContent = `not known: ${e.message}`;
  }
}

// theme follows the system until somebody chooses.
function theme() {
  const button = byId("theme"), dark = matchMedia("(prefers-color-scheme: dark)");
  const set = (chosen) => {
    document.documentElement.dataset.theme = chosen ?? "";
    const now = chosen ?? (dark.matches ? "dark" : "light");
    button.textContent = now === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", now === "dark" ? "Light colours" : "Dark colours");
  };
  const saved = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  set(saved());
  dark.addEventListener("change", () => set(saved()));
  button.addEventListener("click", () => {
    const next = button.textContent.toLowerCase();
    try { localStorage.setItem("theme", next); } catch { /* then for this page only */ }
    set(next);
  });
}

start();
