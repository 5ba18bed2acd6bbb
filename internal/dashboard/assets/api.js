// What the page asks the server, and what everything here shares.
import { byId, show, say } from "./dom.js";

// get asks for data.
export async function get(path) {
  return answered(await reached(fetch(`data/${path}`)));
}

// act does what a button is for.
export async function act(verb, id) {
  return answered(await reached(fetch(`do/${verb}/${id}`, { method: "POST" })));
}

// actStack starts or stops a stack.
export async function actStack(verb, project) {
  return answered(await reached(fetch(`stack/${verb}/${encodeURIComponent(project)}`, { method: "POST" })));
}

// exec runs a command in a container, and gives what it printed.
export async function exec(id, command) {
  return answered(await reached(fetch(`exec/${id}`, { method: "POST", headers: { "Content-Type": "text/plain" }, body: command })));
}

async function reached(asked) {
  try {
    return await asked;
  } catch {
    throw new Error("wherry dashboard does not run any more: start it again, and open the address that it prints.");
  }
}

async function answered(answer) {
  let body;
  try {
    body = await answer.json();
  } catch {
    body = {};
  }
  if (!answer.ok) throw new Error([body.error ?? `the server says ${answer.status}`, body.hint].filter(Boolean).join(" — "));
  return body;
}

// trouble shows what went wrong, or nothing any more.
export function trouble(text) {
  const place = byId("trouble");
  if (place.textContent !== text) place.textContent = text;
  show(place, text !== "");
}

export const tell = (text) => say(byId("told"), text);

// sure asks whether something is meant that cannot be taken back.
export function sure(title, text, yes) {
  const dialog = byId("sure");
  byId("sure-title").textContent = title;
  byId("sure-text").textContent = text;
  byId("sure-yes").textContent = yes;
  return new Promise((done) => {
    const answer = (value) => () => { dialog.close(); done(value); };
    byId("sure-yes").onclick = answer(true);
    byId("sure-no").onclick = answer(false);
    dialog.oncancel = () => done(false);
    dialog.showModal();
    byId("sure-no").focus();
  });
}

// ago says how long ago a time was.
export function ago(at) {
  const s = Math.max(0, (Date.now() - new Date(at)) / 1000);
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (s >= size) return many(Math.floor(s / size), unit);
  }
  return many(Math.floor(s), "second");
}

export const many = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
export const percent = (cpu) => `${(100 * cpu).toFixed(cpu < 0.0995 ? 1 : 0)} %`;
export const alive = (c) => c.status === "running" || c.status === "paused" || c.status === "restarting";

// stands is how a container stands: a class for it, and words.
export function stands(c) {
  if (c.health === "unhealthy") return ["unhealthy", `up ${ago(c.started)}, unhealthy`];
  if (c.health === "starting") return ["starting", `up ${ago(c.started)}, not well yet`];
  switch (c.status) {
    case "running": return ["running", `up ${ago(c.started)}${c.health ? `, ${c.health}` : ""}`];
    case "paused": return ["paused", "paused"];
    case "restarting": return ["restarting", `restarting, ${many(c.restarts ?? 0, "time")} so far`];
    case "exited": return [c.exit_code === 0 ? "" : "failed", `exited with ${c.exit_code} ${ago(c.finished)} ago`];
    case "created": return [c.error ? "failed" : "", c.error ? "did not start" : "never started"];
  }
  return [c.status === "dead" ? "dead" : "", c.status];
}
