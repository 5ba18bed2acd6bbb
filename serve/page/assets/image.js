// Files and pictures: uploads with a preview, and pictures as the tensors that models
// of vision take.
import { el, bytes, unique } from "./dom.js";
import { Wrong, isFloat } from "./types.js";

const base64 = (buffer) => {
  let text = "";
  const view = new Uint8Array(buffer);
  for (let i = 0; i < view.length; i += 0x8000) text += String.fromCharCode(...view.subarray(i, i + 0x8000));
  return btoa(text);
};

// fromDataURL makes a file of what an example holds.
export function fromDataURL(url, name) {
  const found = /^data:([^;,]*)[^,]*;base64,(.*)$/s.exec(url);
  if (!found) return null;
  const raw = atob(found[2]);
  const content = Uint8Array.from(raw, (c) => c.charCodeAt(0));
  const kind = found[1] || "application/octet-stream";
  return new File([content], `${name}.${kind.split("/")[1]?.replace("jpeg", "jpg").replace(/[^a-z0-9]/g, "") || "bin"}`, { type: kind });
}

// drop is a place to drop a file on or to choose one.
function drop(at, accept, words, taken) {
  const input = el("input", { id: at.id, type: "file", "aria-describedby": at.describedBy, "data-main": "" });
  if (accept) input.accept = accept;
  const zone = el("div", { class: "drop" }, input, el("span", { class: "hint" }, words));
  input.addEventListener("change", () => taken(input.files[0] ?? null));
  zone.addEventListener("dragover", (e) => { e.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (e) => {
    e.preventDefault();
    zone.classList.remove("over");
    if (e.dataTransfer.files.length > 0) {
      input.files = e.dataTransfer.files;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      taken(input.files[0]);
    }
  });
  return { zone, input };
}

// put shows a file in an input as if it was chosen.
function put(input, file) {
  const list = new DataTransfer();
  if (file) list.items.add(file);
  input.files = list.files;
}

// upload asks for a file, and shows it when it is a picture.
export function upload(at, accept) {
  let file = null;
  const image = accept !== "";
  const preview = el("img", { class: "preview", alt: "", hidden: true });
  const note = el("p", { class: "hint" });
  const { zone, input } = drop(at, accept, image ? "or drop a picture here" : "or drop a file here", take);
  function take(chosen) {
    file = chosen;
    if (preview.src) URL.revokeObjectURL(preview.src);
    preview.hidden = true;
    preview.removeAttribute("src");
    note.textContent = file ? `${file.name}, ${bytes(file.size)}` : "";
    if (!file || !image) return;
    preview.addEventListener("load", () => {
      preview.hidden = false;
      note.textContent = `${file.name}, ${preview.naturalWidth} × ${preview.naturalHeight}, ${bytes(file.size)}`;
    }, { once: true });
    preview.addEventListener("error", () => { note.textContent = `${file.name}, ${bytes(file.size)}: this browser cannot show it`; }, { once: true });
    preview.alt = `What will be sent: ${file.name}`;
    preview.src = URL.createObjectURL(file);
  }
  return {
    element: el("div", {}, zone, preview, note),
    get: () => (file ? { file, name: file.name } : null),
    set(v) {
      const made = typeof v === "string" ? fromDataURL(v, "example") : null;
      put(input, made);
      take(made);
    },
  };
}

// layoutOf tells which dimensions of a tensor are a picture's: channels, height and
// width; null when it is none.
export function layoutOf(f) {
  if (!isFloat(f.datatype) && f.datatype !== "UINT8") return null;
  const s = f.shape;
  if (!s || (s.length !== 3 && s.length !== 4)) return null;
  if (s.length === 4 && s[0] > 1) return null;
  const [a, b, c] = s.slice(-3);
  const side = (d) => d < 0 || d >= 16;
  if ((a === 3 || a === 1) && side(b) && side(c)) return { channels: a, height: b, width: c, first: true };
  if ((c === 3 || c === 1) && side(a) && side(b)) return { channels: c, height: a, width: b, first: false };
  return null;
}

// scales are what people do with the bytes of a picture before a model sees them.
const SCALES = {
  unit: { label: "0 to 1", of: (v) => v / 255 },
  signed: { label: "−1 to 1", of: (v) => v / 127.5 - 1 },
  imagenet: { label: "ImageNet's mean and deviation", of: (v, c) => (v / 255 - [0.485, 0.456, 0.406][c]) / [0.229, 0.224, 0.225][c] },
  raw: { label: "0 to 255", of: (v) => v },
};

// picture asks for a tensor that is a picture: as one, or as numbers.
export function picture(f, at, numbers) {
  const layout = layoutOf(f);
  let file = null, decoded = null;
  const canvas = el("canvas", { class: "preview", role: "img", "aria-label": `${f.name}: no picture yet`, hidden: true });
  const note = el("p", { class: "hint" });
  const { zone, input } = drop(at, "image/*", "or drop a picture here", take);
  const number = (value, label) => el("input", { type: "number", min: 1, max: 4096, value, "aria-label": label, class: "size" });
  const height = number(layout.height > 0 ? layout.height : 224, `${f.name}, height`);
  const width = number(layout.width > 0 ? layout.width : 224, `${f.name}, width`);
  const scale = el("select", { id: unique("scale") }, Object.entries(SCALES).map(([k, s]) => el("option", { value: k }, s.label)));
  if (f.datatype === "UINT8") scale.value = "raw";
  const free = layout.height < 0 || layout.width < 0;
  const sizes = el("span", { class: "sizes" }, height, " × ", width, " (height × width)");
  const fit = el("select", { id: unique("fit") }, [["crop", "cut to the middle"], ["stretch", "stretched"], ["pad", "with a border"]].map(([k, words]) => el("option", { value: k }, words)));
  const options = el("div", { class: "under" }, pair("Fitted", fit), pair("Scaled", scale), free ? sizes : el("span", { class: "hint" }, `resized to ${layout.height} × ${layout.width}`));
  height.disabled = layout.height > 0;
  width.disabled = layout.width > 0;
  const typedIn = el("details", { class: "numbers" }, el("summary", {}, "Numbers instead of a picture"), numbers.element);
  for (const e of [height, width, fit]) e.addEventListener("input", draw);

  async function take(chosen) {
    file = chosen;
    decoded?.close();
    decoded = null;
    canvas.hidden = true;
    note.textContent = "";
    if (!file) return;
    numbers.set(undefined);
    typedIn.open = false;
    try {
      decoded = await createImageBitmap(file);
    } catch {
      note.textContent = `${file.name} is no picture that this browser reads`;
      return;
    }
    if (free) { // as it is, but no side longer than a model wants
      const most = Math.min(1, 960 / Math.max(decoded.width, decoded.height));
      const round = (v) => Math.max(32, Math.round((v * most) / 32) * 32);
      if (layout.height < 0) height.value = round(decoded.height);
      if (layout.width < 0) width.value = round(decoded.width);
    }
    draw();
    zone.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function draw() {
    const h = Number(height.value), w = Number(width.value);
    if (!decoded || !(h >= 1 && h <= 4096 && w >= 1 && w <= 4096)) return;
    canvas.width = w;
    canvas.height = h;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillRect(0, 0, w, h); // black, where there is no picture
    const across = w / decoded.width, down = h / decoded.height;
    const scaled = { stretch: 0, crop: Math.max(across, down), pad: Math.min(across, down) }[fit.value];
    const dw = scaled ? decoded.width * scaled : w, dh = scaled ? decoded.height * scaled : h;
    context.drawImage(decoded, (w - dw) / 2, (h - dh) / 2, dw, dh);
    canvas.hidden = false;
    canvas.setAttribute("aria-label", `${f.name}: ${file.name} as ${w} by ${h} points`);
    note.textContent = `${file.name}, ${decoded.width} × ${decoded.height} → ${h} × ${w}`;
  }

  return {
    element: el("div", {}, zone, canvas, note, options, typedIn),
    get() {
      const written = numbers.get();
      if (written) return written;
      if (file && !decoded) throw new Wrong("it is no picture that this browser reads");
      if (!decoded) return null;
      const rgba = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return { file: npy(rgba, layout, f, SCALES[scale.value].of), name: `${safe(f.name)}.npy` };
    },
    set(v) {
      put(input, null);
      take(null);
      const points = Array.isArray(v) ? v.flat(Infinity).length : 0;
      numbers.set(points >= 64 ? v : undefined); // fewer are no picture, but made up
      typedIn.open = points >= 64;
    },
  };
}

const pair = (words, control) => el("span", { class: "pair" }, el("label", { for: control.id }, words), control);

const safe = (name) => name.replace(/[^A-Za-z0-9_-]+/g, "_").slice(0, 40) || "input";

// npy is a picture as a tensor in a file of NumPy.
function npy(rgba, layout, f, scaled) {
  const { width: w, height: h, data } = rgba;
  const n = layout.channels, whole = f.datatype === "UINT8";
  const values = new (whole ? Uint8Array : Float32Array)(n * w * h);
  for (let i = 0; i < w * h; i++) {
    for (let c = 0; c < n; c++) {
      const v = n === 1 ? 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2] : data[4 * i + c];
      values[layout.first ? c * w * h + i : i * n + c] = scaled(v, c);
    }
  }
  const sides = layout.first ? [n, h, w] : [h, w, n];
  if (f.shape.length === 4) sides.unshift(1);
  let head = `{'descr': '${whole ? "|u1" : "<f4"}', 'fortran_order': False, 'shape': (${sides.join(", ")}), }`;
  head = head.padEnd(Math.ceil((10 + head.length + 1) / 64) * 64 - 11, " ") + "\n";
  const magic = new Uint8Array(10);
  magic.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, head.length & 255, head.length >> 8]);
  return new File([magic, head, values], `${safe(f.name)}.npy`, { type: "application/octet-stream" });
}

// asDataURL is a file in JSON.
export async function asDataURL(file) {
  return `data:${file.type || "application/octet-stream"};base64,${base64(await file.arrayBuffer())}`;
}
