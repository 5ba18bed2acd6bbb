// Which control asks for which input. A control gives {element, get, set, focus}: get
// is {json} as text, {file} with its name, or null for what is left out, and throws a
// Wrong where that is no value of the input; set takes a value as JSON has it.
import { el, unique, short } from "./dom.js";
import { typed } from "./json.js";
import { Wrong, isFloat, isOne, kindOf } from "./types.js";
import { table, grid, plain } from "./table.js";
import { upload, picture, layoutOf } from "./image.js";

// field makes the control of an input with its label, its words and a place for what
// is wrong with it.
export function field(f) {
  const p = f.parameters ?? {};
  const id = unique("in"), hint = unique("hint"), wrong = unique("wrong");
  const control = choose(f, p, { id, describedBy: `${hint} ${wrong}` });
  const words = [p.description, p.optional ? "optional" : ""].filter(Boolean).join(" · ");
  const label = control.group
    ? el("legend", {}, f.name)
    : el("label", { for: id }, f.name);
  const problem = el("p", { id: wrong, class: "wrong" });
  const element = el(control.group ? "fieldset" : "div", { class: "field", "data-input": f.name },
    label, el("span", { class: "type" }, kindOf(f)),
    el("p", { id: hint, class: "hint" }, words), control.element, problem);
  return {
    field: f,
    element,
    get() {
      const v = control.get();
      if (v === null && !p.optional) throw new Wrong("the model needs it");
      return v;
    },
    set: (v) => control.set(v),
    clear: () => control.set(p.default),
    mark(text) {
      problem.textContent = text ?? "";
      element.classList.toggle("is-wrong", Boolean(text));
      for (const c of element.querySelectorAll("[data-main]")) {
        if (text) c.setAttribute("aria-invalid", "true");
        else c.removeAttribute("aria-invalid");
      }
    },
    focus: () => (element.querySelector("[data-main]") ?? element.querySelector("input, textarea, select, button")).focus(),
  };
}

// choose finds the control that suits a field best.
function choose(f, p, at) {
  switch (f.datatype === "BYTES" ? p.kind : "") {
    case "image": return upload(at, "image/*");
    case "file": return upload(at, "");
    case "table": return table(at, f.name, p.columns ?? []);
    case "json": return document_(at);
  }
  if (isOne(f)) return single(f, p, at);
  if (f.datatype === "BYTES") return f.shape?.length === 1 || isColumn(f) ? lines(p, at) : lists(f, at);
  if (layoutOf(f)) return picture(f, at, lists(f, { ...at, id: unique("in") }));
  const width = f.shape?.at(-1) ?? 0;
  if (f.shape?.length === 2 && width >= 1 && width <= 64 && f.shape[0] <= 200) return grid(f, p, at);
  if (f.shape?.length === 1 && width >= 1 && width <= 16) return grid(f, p, at);
  return lists(f, at);
}

const isColumn = (f) => f.shape?.length === 2 && f.shape[1] === 1;

// single asks for one element.
function single(f, p, at) {
  if (p.choices?.length > 0) return choices(p, at);
  if (f.datatype === "BOOL") return truth(p, at);
  if (f.datatype === "BYTES") return text(at);
  return numeric(f, p, at);
}

function numeric(f, p, at) {
  const whole = !isFloat(f.datatype);
  const input = el("input", { id: at.id, type: "text", inputMode: whole ? "numeric" : "decimal", autocomplete: "off", spellcheck: false, "aria-describedby": at.describedBy, "data-main": "" });
  const both = typeof p.minimum === "number" && typeof p.maximum === "number";
  if (p.default !== undefined) input.placeholder = String(p.default);
  let element = input, slider = null;
  if (both && p.maximum - p.minimum <= 1e6) {
    const step = whole ? 1 : Number(((p.maximum - p.minimum) / 200).toPrecision(1));
    slider = el("input", { type: "range", min: p.minimum, max: p.maximum, step, value: p.minimum, "aria-label": `${f.name}, slider`, tabindex: -1 });
    slider.addEventListener("input", () => { input.value = short(Number(slider.value)); });
    input.addEventListener("input", () => { const v = typed(input.value); if (v !== undefined) slider.value = v; });
    element = el("div", { class: "number" }, input, slider,
      el("span", { class: "hint bounds" }, `${p.minimum} to ${p.maximum}`));
  } else {
    const words = typeof p.minimum === "number" ? `at least ${p.minimum}` : typeof p.maximum === "number" ? `at most ${p.maximum}` : "";
    element = el("div", { class: "number" }, input, words && el("span", { class: "hint bounds" }, words));
  }
  return {
    element,
    get() {
      if (input.value.trim() === "") return null;
      const v = typed(input.value);
      if (v === undefined) throw new Wrong(`“${input.value}” is no number`);
      if (whole && !/^-?[0-9]+$/.test(v)) throw new Wrong("it is a whole number");
      if (typeof p.minimum === "number" && Number(v) < p.minimum) throw new Wrong(`it is at least ${p.minimum}`);
      if (typeof p.maximum === "number" && Number(v) > p.maximum) throw new Wrong(`it is at most ${p.maximum}`);
      return { json: v };
    },
    set(v) {
      input.value = plain(v);
      if (slider) slider.value = input.value === "" ? p.minimum : Number(input.value);
    },
  };
}

function choices(p, at) {
  const none = p.optional && p.default === undefined;
  const select = el("select", { id: at.id, "aria-describedby": at.describedBy, "data-main": "" },
    none && el("option", { value: "" }, "not given"),
    p.choices.map((c, i) => el("option", { value: String(i) }, String(c))));
  return {
    element: select,
    get: () => (select.value === "" ? null : { json: JSON.stringify(p.choices[Number(select.value)]) }),
    set(v) {
      const i = p.choices.findIndex((c) => String(c) === plain(v));
      select.value = i >= 0 ? String(i) : none ? "" : "0";
    },
  };
}

function truth(p, at) {
  if (p.optional && p.default === undefined) return choices({ ...p, choices: [true, false] }, at);
  const box = el("input", { id: at.id, type: "checkbox", "aria-describedby": at.describedBy, "data-main": "" });
  return {
    element: el("div", { class: "switch" }, box),
    get: () => ({ json: String(box.checked) }),
    set(v) { box.checked = plain(v) === "true"; },
  };
}

// grow makes a text area as tall as its text, within bounds.
function grow(area) {
  const fit = () => { area.rows = Math.min(16, Math.max(Number(area.dataset.rows), area.value.split("\n").length)); };
  area.addEventListener("input", fit);
  return fit;
}

function area(at, rows, props = {}) {
  const a = el("textarea", { id: at.id, rows, spellcheck: false, "aria-describedby": at.describedBy, "data-main": "", "data-rows": rows, ...props });
  return [a, grow(a)];
}

function text(at) {
  const [a, fit] = area(at, 3, { spellcheck: true });
  let touched = false;
  a.addEventListener("input", () => { touched = true; });
  return {
    element: a,
    get: () => (a.value === "" && !touched ? null : { json: JSON.stringify(a.value) }),
    set(v) { a.value = plain(v); touched = false; fit(); },
  };
}

function lines(p, at) {
  const [a, fit] = area(at, 4, { placeholder: "One a line", spellcheck: true });
  return {
    element: el("div", {}, a, el("p", { class: "hint" }, p.choices ? `One a line, of: ${p.choices.join(", ")}` : "One a line")),
    get() {
      const list = a.value.split("\n").map((l) => l.replace(/\r$/, "")).filter((l) => l !== "");
      return list.length === 0 ? null : { json: JSON.stringify(list).replaceAll('","', '", "') };
    },
    set(v) { a.value = [v ?? []].flat(Infinity).map(String).join("\n"); fit(); },
  };
}

// lists asks for a tensor as lists of JSON.
function lists(f, at) {
  const [a, fit] = area(at, 4, { class: "code", placeholder: placeholder(f) });
  return {
    element: a,
    get() {
      let written = a.value.trim();
      if (written === "") return null;
      if (!/^[[{"]/.test(written) && f.datatype !== "BYTES") written = `[${written}]`;
      return { json: checked(written) };
    },
    set(v) { a.value = v === undefined ? "" : JSON.stringify(v).replaceAll(",", ", "); fit(); },
  };
}

function checked(written) {
  try {
    JSON.parse(written);
  } catch (e) {
    throw new Wrong(`it is no JSON: ${e.message}`);
  }
  return written.includes("\n") ? written.replaceAll(/\s*\n\s*/g, " ") : written;
}

function placeholder(f) {
  if (!f.shape || f.shape.length === 1) return "1, 2, 3";
  const depth = f.shape.length;
  return `${"[".repeat(depth)}1, 2, …${"]".repeat(depth)}`;
}

function document_(at) {
  const [a, fit] = area(at, 6, { class: "code", placeholder: '{"name": "value"}' });
  return {
    element: a,
    get() {
      const written = a.value.trim();
      if (written === "") return null;
      try {
        JSON.parse(written);
      } catch (e) {
        throw new Wrong(`it is no JSON: ${e.message}`);
      }
      return { json: written };
    },
    set(v) { a.value = v === undefined ? "" : JSON.stringify(v, null, 2); fit(); },
  };
}
