// Wrong is what a person typed and a model cannot take.
export class Wrong extends Error {}

const FLOATS = ["FP16", "BF16", "FP32", "FP64"];
export const isFloat = (type) => FLOATS.includes(type);
export const isInteger = (type) => /^U?INT/.test(type);

// shape writes the shape of a field.
export const shape = (s) => `[${s.map((d) => (d < 0 ? "any" : d)).join(" × ")}]`;

// isOne tells whether a field is one element.
export const isOne = (f) => Array.isArray(f.shape) && f.shape.every((d) => d === 1);

// kindOf is the type of a field in a few letters.
export function kindOf(f) {
  const p = f.parameters ?? {};
  if (p.kind && p.kind !== "text") return p.kind;
  const type = f.datatype === "BYTES" ? (p.kind === "text" ? "text" : "bytes") : f.datatype;
  if (!f.shape) return `${type}, any shape`;
  return isOne(f) ? type : `${type} ${shape(f.shape)}`;
}
