// One container: what it uses, what it prints, and what it was made with.
import { el, bytes, count, time } from "./dom.js";
import { ago, get, stands, trouble } from "./api.js";
import { buttons } from "./buttons.js";
import { command } from "./command.js";
import { graphs } from "./graphs.js";
import { link } from "./containers.js";
import { log } from "./log.js";

// container is the view of one.
export function container(id, again, leave) {
  const name = el("h1", {}), meta = el("p", { class: "meta" }), state = el("span", { class: "state" }), said = el("p", { class: "bad said" });
  const charts = el("div", { class: "charts" }), facts = el("dl", { class: "facts" });
  const press = buttons((verb) => (verb === "remove" ? leave() : again()), true);
  const lines = log(), line = command(id);
  const view = [
    el("p", { class: "trail" }, el("a", { href: "#/containers" }, "All containers")),
    el("div", { class: "title" }, el("div", {}, name, meta, said), press.place),
    el("section", { class: "card", "aria-labelledby": "uses" }, el("div", { class: "head" }, el("h2", { id: "uses" }, "Last five minutes")), charts),
    lines.card,
    line.card,
    el("section", { class: "card", "aria-labelledby": "made" }, el("div", { class: "head" }, el("h2", { id: "made" }, "How it was made")), facts),
  ];

  async function update() {
    const c = await get(`containers/${id}`);
    trouble("");
    name.textContent = c.name;
    document.title = `${c.name} – Wherry`;
    const [kind, words] = stands(c);
    state.className = `state ${kind}`;
    state.textContent = words;
    const ports = (c.ports ?? []).map((p) => p.url).join();
    if (meta.dataset.ports !== ports || !meta.firstChild) {
      meta.dataset.ports = ports;
      meta.replaceChildren(state, el("span", {}, c.image), ...(c.ports ?? []).map((p) => el("span", {}, `port ${p.guest} at `, link(p))));
    }
    said.textContent = c.error ?? "";
    charts.replaceChildren(...graphs(c.history, c.span, c.now));
    facts.replaceChildren(...told(c).flatMap(([what, value, code]) => [el("dt", {}, what), el("dd", {}, code ? el("code", {}, value) : value)]));
    press.update(c);
    lines.update(c, c.logged);
    line.update(c);
  }
  return { view, update, close: () => lines.close() };
}

// told are the facts of a container that there are.
function told(c) {
  const u = c.used, l = c.limits ?? {};
  return [
    ["ID", c.id, true],
    ["Image", `${c.image} ${c.image_id ?? ""}`, true],
    ["Command", (c.command ?? []).join(" "), true],
    ["Made", `${new Date(c.created).toLocaleString()}, ${ago(c.created)} ago`],
    ["Stack", c.project ? `${c.project}, service ${c.service ?? "?"}` : ""],
    ["Restarts", [c.restart, c.restarts ? `${c.restarts} so far` : ""].filter(Boolean).join("; ")],
    ["Networks", (c.networks ?? []).join(", ")],
    ["May reach", (c.allow ?? []).join(", "), true],
    ["Mounts", (c.mounts ?? []).join("; ")],
    ["Limits", [l.Memory && `${bytes(l.Memory)} of memory`, l.CPUs && `${l.CPUs} processors`, l.Disk && `${bytes(l.Disk)} of files`].filter(Boolean).join(", ")],
    ["Used so far", [u.CPU && `${time(u.CPU / 1e6)} of a processor`, u.Fuel && `${count(u.Fuel)} fuel`, u.PeakMemory && `at most ${bytes(u.PeakMemory)} of memory`, u.Disk && `${bytes(u.Disk)} of files`].filter(Boolean).join(", ")],
    ["Health", (c.checks ?? []).slice(-3).map((h) => `${new Date(h.at).toLocaleTimeString()}: ${h.exit_code} ${h.output ?? ""}`).join("; ")],
    ["Labels", (c.labels ?? []).join(", "), true],
  ].filter(([, value]) => value);
}
