// JSON as text: an integer of 64 bits is more than a number of JavaScript holds, so
// what is sent is put together from the digits that were typed, and what comes keeps
// the digits it came with.

export const isNumber = (text) => /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/.test(text);

// typed reads a number as people type it; undefined when it is none.
export function typed(text) {
  text = text.trim().replace(/^\+/, "").replace(/^(-?)\./, "$10.").replace(/\.$/, "");
  text = text.replace(/^(-?)0+(?=[0-9])/, "$1").replace(/^(-?[0-9]+)\.([eE])/, "$1$2");
  return isNumber(text) ? text : undefined;
}

// parse keeps integers that are too large for a number as they came.
export function parse(text) {
  return JSON.parse(text, (_, v, context) =>
    typeof v === "number" && Number.isInteger(v) && !Number.isSafeInteger(v) && context?.source && /^-?[0-9]+$/.test(context.source)
      ? BigInt(context.source) : v);
}

// object puts an object together from names and JSON texts.
export function object(entries, space = " ") {
  return `{${entries.map(([name, json]) => `${JSON.stringify(name)}:${space}${json}`).join(`,${space}`)}}`;
}

// pretty writes a value with indentation, but what fits in one line in one.
export function pretty(v, indent = "") {
  const flat = line(v);
  if (flat.length + indent.length <= 100 || typeof v !== "object" || v === null) return flat;
  const inner = `${indent}  `;
  if (Array.isArray(v) && v.every((x) => typeof x !== "object" || x === null)) return `[\n${wrapped(v.map(line), inner)}\n${indent}]`;
  if (Array.isArray(v)) return `[\n${v.map((x) => inner + pretty(x, inner)).join(",\n")}\n${indent}]`;
  const entries = Object.entries(v).map(([k, x]) => `${inner}${JSON.stringify(k)}: ${pretty(x, inner)}`);
  return `{\n${entries.join(",\n")}\n${indent}}`;
}

// wrapped fills lines with words.
function wrapped(words, indent) {
  const lines = [];
  let now = "";
  for (const w of words) {
    if (now !== "" && indent.length + now.length + w.length > 98) { lines.push(now); now = ""; }
    now += now === "" ? w : `, ${w}`;
  }
  return [...lines, now].map((l) => indent + l).join(",\n");
}

function line(v) {
  if (typeof v === "bigint") return v.toString();
  if (Array.isArray(v)) return `[${v.map(line).join(", ")}]`;
  if (typeof v === "object" && v !== null) {
    return `{${Object.entries(v).map(([k, x]) => `${JSON.stringify(k)}: ${line(x)}`).join(", ")}}`;
  }
  return JSON.stringify(v) ?? "null";
}
