// Tables: cells to type in or to paste from a spreadsheet, and files of CSV. Of long
// tables the first rows are shown, and all are sent.
import { el, unique } from "./dom.js";
import { typed } from "./json.js";
import * as csv from "./csv.js";
import { Wrong, isFloat } from "./types.js";

const SHOWN = 50;

// sheet is the grid that tables and tensors share. columns are {name, datatype}, and
// when open is true the user's file may bring others.
function sheet(at, label, columns, { open = false, rows = 0 } = {}) {
  let head = columns.map((c) => c.name);
  const types = () => head.map((name, i) => columns.find((c) => c.name === name)?.datatype ?? (open ? "" : columns[i]?.datatype));
  let data = [head.map(() => "")];
  const view = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${label}, table` });
  const more = el("span", { class: "hint", role: "status" });
  const picker = el("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv", class: "sr", tabindex: -1, "aria-label": `${label}, CSV file`, id: unique("csv") });
  const add = el("button", { type: "button", class: "small", click: () => { data.push(head.map(() => "")); draw(data.length - 1); changed(); } }, "Add row");
  const load = el("button", { type: "button", class: "small", click: () => picker.click() }, "Open CSV…");
  picker.addEventListener("change", async () => {
    const file = picker.files[0];
    picker.value = "";
    if (!file) return;
    try {
      take(csv.parse(await file.text()));
    } catch (e) {
      more.textContent = `${file.name}: ${e.message}`;
    }
  });
  const element = el("div", { class: "sheet" }, view, el("div", { class: "under" }, rows > 0 ? null : add, load, picker, more));
  const changed = () => element.dispatchEvent(new Event("input", { bubbles: true }));

  // take puts rows of a file or a paste in place of what is there.
  function take(list) {
    if (list.length === 0) throw new Error("there is nothing in it");
    const first = list[0];
    const known = first.filter((c) => head.includes(c)).length;
    const headed = first.some((c) => c !== "" && typed(c) === undefined) && (known > 0 || open || first.length === head.length && list.length > 1 && !types().includes("BYTES"));
    if (headed && open && columns.length === 0) head = first;
    if (!headed && head.length === 0) head = first.map((_, i) => `column ${i + 1}`);
    const body = headed ? list.slice(1) : list;
    const from = head.map((name, i) => (headed && known > 0 ? first.indexOf(name) : i));
    const missing = head.filter((_, i) => from[i] < 0);
    if (missing.length > 0) throw new Error(`it has no column ${missing.join(", ")}`);
    data = body.map((row) => from.map((i) => row[i] ?? ""));
    if (rows > 0) data = Array.from({ length: rows }, (_, i) => data[i] ?? head.map(() => ""));
    if (data.length === 0) data = [head.map(() => "")];
    draw();
    changed();
  }

  // paste spreads cells from where they are pasted on.
  function paste(event, r, c) {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    const list = csv.parse(text);
    if (list.length === 0 || (list.length === 1 && list[0].length === 1)) return;
    event.preventDefault();
    if (r === 0 && c === 0 && (list.length > 1 || list[0].length === head.length)) {
      try {
        take(list);
        return;
      } catch { /* then from this cell on */ }
    }
    list.forEach((row, i) => row.forEach((cell, j) => {
      if (rows > 0 && r + i >= rows) return;
      while (data.length <= r + i) data.push(head.map(() => ""));
      if (c + j < head.length) data[r + i][c + j] = cell;
    }));
    draw();
    changed();
  }

  function draw(focus = -1) {
    const shown = data.slice(0, SHOWN);
    const body = shown.map((row, r) => el("tr", {}, el("th", { scope: "row" }, String(r + 1)),
      row.map((cell, c) => el("td", {}, el("input", {
        value: cell, autocomplete: "off", spellcheck: false, "aria-label": `row ${r + 1}, ${head[c]}`, size: 8,
        ...(r === 0 && c === 0 ? { id: at.id, "data-main": "", "aria-describedby": at.describedBy } : {}),
        input: (e) => { data[r][c] = e.target.value; },
        paste: (e) => paste(e, r, c),
      }))),
      rows === 0 && data.length > 1 && el("td", {}, el("button", { type: "button", class: "plain small", "aria-label": `remove row ${r + 1}`, click: () => { data.splice(r, 1); draw(Math.min(r, data.length - 1)); changed(); } }, "×"))));
    view.replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, el("td", {}), head.map((h) => el("th", { scope: "col" }, h)), rows === 0 && data.length > 1 && el("td", {}))), el("tbody", {}, body)));
    more.textContent = data.length > SHOWN ? `${data.length} rows; the first ${SHOWN} are shown, all are sent` : "";
    if (focus >= 0) view.querySelectorAll("tbody tr")[focus]?.querySelector("input")?.focus();
  }
  if (rows > 0) data = Array.from({ length: rows }, () => head.map(() => ""));
  draw();
  return {
    element, head: () => head, types,
    rows: () => (rows > 0 ? data : data.filter((row) => row.some((c) => c.trim() !== ""))),
    put(names, list) {
      if (open && columns.length === 0 && names) head = names;
      data = list.length > 0 ? list.map((row) => head.map((_, i) => String(row[i] ?? ""))) : Array.from({ length: rows || 1 }, () => head.map(() => ""));
      draw();
    },
    take,
  };
}

// table asks for a table: with its columns, or with those of what is pasted.
export function table(at, label, columns) {
  const open = columns.length === 0;
  if (open) return pasted(at, label);
  const s = sheet(at, label, columns);
  return { group: true, element: s.element, get: () => records(s), set: (v) => s.put(null, fromValue(v, s.head())) };
}

// records is the table as a list of records.
function records(s) {
  const rows = s.rows(), head = s.head(), types = s.types();
  if (rows.length === 0) return null;
  const list = rows.map((row, r) => `{${row.map((cell, c) => `${JSON.stringify(head[c])}: ${cellJSON(cell, types[c], r, head[c])}`).join(", ")}}`);
  return { json: `[${list.join(", ")}]` };
}

function cellJSON(cell, type, r, name) {
  const text = cell.trim();
  if (text === "" && type !== "BYTES") return "null";
  if (type === "BYTES") return JSON.stringify(cell);
  if (type === "BOOL") {
    if (/^(true|1|yes)$/i.test(text)) return "true";
    if (/^(false|0|no)$/i.test(text)) return "false";
    throw new Wrong(`row ${r + 1}, ${name}: “${text}” is neither true nor false`);
  }
  const v = typed(text);
  if (v !== undefined) return v;
  if (type) throw new Wrong(`row ${r + 1}, ${name}: “${text}” is no number`);
  return JSON.stringify(text);
}

// fromValue makes rows of a table as JSON has it.
function fromValue(v, head) {
  if (typeof v === "string") {
    const rows = csv.parse(v), first = rows[0] ?? [];
    return rows.slice(1).map((row) => head.map((h) => row[first.indexOf(h)] ?? ""));
  }
  if (Array.isArray(v)) return v.map((record) => head.map((h) => record?.[h] ?? ""));
  if (v && typeof v === "object") {
    const length = Math.max(0, ...Object.values(v).map((c) => c.length ?? 0));
    return Array.from({ length }, (_, r) => head.map((h) => v[h]?.[r] ?? ""));
  }
  return [];
}

// pasted asks for a table of any columns: text first, then its rows.
function pasted(at, label) {
  const area = el("textarea", { id: at.id, rows: 5, class: "code", spellcheck: false, placeholder: "name,age\nAda,36", "aria-describedby": at.describedBy, "data-main": "" });
  const picker = el("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv", class: "sr", tabindex: -1, "aria-label": `${label}, CSV file` });
  const note = el("span", { class: "hint", role: "status" });
  const load = el("button", { type: "button", class: "small", click: () => picker.click() }, "Open CSV…");
  picker.addEventListener("change", async () => {
    const file = picker.files[0];
    picker.value = "";
    if (!file) return;
    area.value = await file.text();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });
  area.addEventListener("input", () => {
    const rows = csv.parse(area.value);
    note.textContent = rows.length > 1 ? `${rows.length - 1} rows of ${rows[0].length} columns` : "";
  });
  return {
    element: el("div", {}, area, el("div", { class: "under" }, load, picker, el("span", { class: "hint" }, "CSV with a head line, or rows pasted from a spreadsheet"), note)),
    get() {
      const rows = csv.parse(area.value);
      if (rows.length === 0) return null;
      if (rows.length === 1) throw new Wrong("there is a head line only");
      return { json: JSON.stringify(csv.write(rows)) };
    },
    set(v) {
      if (Array.isArray(v) && v.length > 0) {
        const head = Object.keys(v[0]);
        v = csv.write([head, ...v.map((record) => head.map((h) => record[h]))]);
      }
      area.value = typeof v === "string" ? v : "";
    },
  };
}

// grid asks for a tensor of one or two dimensions with few columns.
export function grid(f, p, at) {
  const flat = f.shape.length === 1;
  const width = f.shape.at(-1);
  const rows = flat ? 1 : Math.max(0, f.shape[0]);
  const columns = Array.from({ length: width }, (_, i) => ({ name: p.columns?.[i]?.name ?? String(i), datatype: f.datatype }));
  const s = sheet(at, f.name, columns, { rows });
  return {
    group: true,
    element: s.element,
    get() {
      const list = s.rows();
      if (list.length === 0 || (rows > 0 && list.flat().every((c) => c.trim() === ""))) return null;
      const written = list.map((row, r) => `[${row.map((cell, c) => element(cell, f.datatype, r, columns[c].name)).join(", ")}]`);
      return { json: flat ? written[0] : `[${written.join(", ")}]` };
    },
    set(v) {
      const list = Array.isArray(v) ? (Array.isArray(v[0]) ? v : [v]) : [];
      s.put(null, list);
    },
  };
}

function element(cell, type, r, name) {
  const text = cell.trim();
  if (type === "BOOL") return cellJSON(cell, type, r, name);
  if (text === "" && isFloat(type)) return '"NaN"';
  const v = typed(text);
  if (v === undefined) throw new Wrong(`row ${r + 1}, column ${name}: ${text === "" ? "it is empty" : `“${text}” is no number`}`);
  return v;
}

// many asks for rows of inputs that are one element each: every row is a request.
export function many(at, inputs) {
  const s = sheet(at, "rows", inputs.map((f) => ({ name: f.name, datatype: f.datatype })));
  const row = (cells, r) => `{${inputs.flatMap((f, c) => {
    if (cells[c].trim() === "" && f.parameters?.optional) return [];
    if (cells[c].trim() === "" && f.datatype !== "BYTES") throw new Wrong(`row ${r + 1}, ${f.name}: the model needs it`);
    return [`${JSON.stringify(f.name)}: ${cellJSON(cells[c], f.datatype, r, f.name)}`];
  }).join(", ")}}`;
  return {
    element: s.element,
    get() {
      const rows = s.rows();
      if (rows.length === 0) throw new Wrong("there is no row");
      return { json: `[${rows.map(row).join(", ")}]` };
    },
    set: (list) => s.put(null, list.map((o) => inputs.map((f) => plain(o[f.name])))),
  };
}

// plain is the one element of a value, however many lists are around it.
export function plain(v) {
  while (Array.isArray(v)) v = v[0];
  return v === undefined || v === null ? "" : String(v);
}
