// Asking the server: its own endpoints, and the model.
import * as JSONText from "./json.js";

// key is what the server wants to know who asks by, kept in this tab.
export const key = {
  has: () => Boolean(stored()),
  set: (text) => { memory = text; try { sessionStorage.setItem("key", text); } catch { /* then until the page is left */ } },
};
let memory = "";
function stored() {
  try { return sessionStorage.getItem("key") || memory; } catch { return memory; }
}

const headers = (more = {}) => (stored() ? { ...more, Authorization: `Bearer ${stored()}` } : more);

// Refused is an answer that is none.
export class Refused extends Error {
  constructor(status, message, reason, retryAfter) {
    super(message);
    Object.assign(this, { status, reason, retryAfter });
  }

  get title() {
    const titles = {
      400: "The request does not fit the model", 401: "The server asks for an API key", 403: "The server refuses this page's request", 404: "There is no such model",
      413: "The request is too large", 415: "The server does not read this", 422: "The model refused the request", 429: "The server is busy", 503: "The model is not ready or busy", 504: "The answer took too long",
    };
    return titles[this.status] ?? "The model failed";
  }
}

async function refused(response) {
  const text = await response.text();
  let message = text.slice(0, 2000), reason = "";
  try {
    const said = JSON.parse(text);
    message = said.error?.message ?? said.error ?? said.detail ?? message;
    reason = said.reason ?? "";
  } catch { /* then as it is */ }
  return new Refused(response.status, String(message || response.statusText || "the server gave no reason"), String(reason), response.headers.get("Retry-After"));
}

async function send(url, options) {
  try {
    return await fetch(url, options);
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Error("The server cannot be reached. Is it still running?");
  }
}

// get asks the server for a document of its own.
export async function get(url) {
  const response = await send(url, { headers: headers({ Accept: "application/json" }), cache: "no-store" });
  if (!response.ok) throw await refused(response);
  return response.json();
}

// ask sends a request to the model. partly is told of the parts of a stream.
export async function ask(request, signal, partly) {
  const accept = "application/json, text/event-stream;q=0.5";
  let body, more = { Accept: request.stream ? "text/event-stream, application/json;q=0.5" : accept };
  if (request.parts) {
    body = new FormData();
    for (const p of request.parts) {
      if (p.file) body.append(p.name, p.file, p.filename);
      else body.append(p.name, p.text);
    }
  } else {
    body = request.json;
    more = { ...more, "Content-Type": "application/json" };
  }
  const response = await send(request.url, { method: "POST", body, headers: headers(more), signal });
  if (!response.ok) throw await refused(response);
  if (response.headers.get("Content-Type")?.startsWith("text/event-stream")) return stream(response, partly);
  const text = await response.text();
  let value;
  try {
    value = JSONText.parse(text);
  } catch {
    throw new Error("The answer is no JSON.");
  }
  return { value, text, receipt: receipt(response.headers) };
}

// receipt reads what the headers of an answer say of it.
function receipt(h) {
  const said = Object.fromEntries((h.get("Wherry-Receipt") ?? "").split(", ").map((member) => member.split("=")));
  const number = (name, unit = 1) => (name in said ? Number(said[name]) * unit : undefined);
  return { digest: said.digest, fuel: number("fuel"), memory: number("memory"), queue: number("queue", 1e-6), compute: number("compute", 1e-6), batch: number("batch"), kernels: said.kernels };
}

// stream reads an answer that comes in parts.
async function stream(response, partly) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parts = [];
  let waiting = "", r = receipt(response.headers), ended = false;
  for (;;) {
    const { done, value } = await reader.read();
    waiting += value ?? "";
    const events = waiting.split(/\r?\n\r?\n/);
    waiting = done ? "" : events.pop();
    for (const event of events) {
      const { name, data } = read(event);
      if (data === "") continue;
      const said = JSONText.parse(data);
      if (name === "error") throw new Refused(response.status, said.error, said.reason);
      if (name === "end") {
        ended = true;
        r = { ...r, digest: said.digest ?? r.digest, fuel: said.fuel, memory: said.peak_memory, queue: said.queue_seconds, compute: said.compute_seconds };
      } else {
        parts.push(said);
        partly(parts);
      }
    }
    if (done) break;
  }
  if (!ended) throw new Error("The stream broke off before its end.");
  return { parts, receipt: r };
}

function read(event) {
  let name = "";
  const data = [];
  for (const line of event.split(/\r?\n/)) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return { name, data: data.join("\n") };
}
