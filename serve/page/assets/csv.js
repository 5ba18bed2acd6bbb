// Comma-separated values, as people paste and save them: commas, semicolons or tabs
// between cells, quotes around those that need it.

// parse gives the rows of a text, each a list of cells.
export function parse(text) {
  text = text.replace(/^\uFEFF/, "");
  const separator = guess(text);
  const rows = [];
  let row = [], cell = "", quoted = false, began = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') { cell += '"'; i++; }
      else if (c === '"') quoted = false;
      else cell += c;
    } else if (c === '"' && cell.trim() === "") {
      quoted = true; cell = ""; began = true;
    } else if (c === separator) {
      row.push(cell.trim()); cell = ""; began = true;
    } else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[i + 1] === "\n") i++;
      if (began || cell.trim() !== "") rows.push([...row, cell.trim()]);
      row = []; cell = ""; began = false;
    } else {
      cell += c;
    }
  }
  if (began || cell.trim() !== "") rows.push([...row, cell.trim()]);
  return rows;
}

function guess(text) {
  const line = text.split("\n", 1)[0];
  let best = ",", most = line.split(",").length;
  for (const c of ["\t", ";"]) {
    const n = line.split(c).length;
    if (n > most) { best = c; most = n; }
  }
  return best;
}

// write is rows as CSV.
export function write(rows) {
  return rows.map((row) => row.map(quote).join(",")).join("\n") + "\n";
}

function quote(cell) {
  const text = String(cell ?? "");
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
