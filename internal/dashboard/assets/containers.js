// The list of containers, by the stacks that they are of.
import { el, bytes, show } from "./dom.js";
import { actStack, alive, get, many, percent, stands, tell, trouble } from "./api.js";
import { buttons } from "./buttons.js";
import { spark } from "./graphs.js";

const LONE = "Containers of no stack";

// containers is the view: what is put on the page, and how it is brought up to date.
export function containers(again, told) {
  const rows = new Map(), groups = new Map();
  const meta = el("p", { class: "meta" });
  const find = el("input", { type: "search", class: "find", placeholder: "Name or image", "aria-label": "Show those with this in their name or image", input: () => filter() });
  const place = el("div", { class: "stack" });
  const none = el("section", { class: "card empty", hidden: true }, el("p", {}, "No containers yet. ", el("code", {}, "wherry run -d IMAGE"), " starts one, ", el("code", {}, "wherry compose up"), " a stack."));
  const view = [el("div", { class: "title" }, el("div", {}, el("h1", {}, "Containers"), meta), find), none, place];
  place.id = "groups";

  function filter() {
    const word = find.value.trim().toLowerCase();
    for (const g of groups.values()) {
      let any = false;
      for (const r of g.rows()) {
        const fits = r.text.includes(word);
        show(r.item, fits);
        any ||= fits;
      }
      show(g.card, any);
    }
  }

  async function update() {
    const { containers: list, version } = await get("containers");
    told(version);
    trouble("");
    const seen = new Set(), order = [];
    for (const c of list) {
      seen.add(c.id);
      const name = c.project ?? "";
      if (!groups.has(name)) groups.set(name, group(name));
      const g = groups.get(name);
      if (!order.includes(g)) order.push(g);
      if (!rows.has(c.id)) rows.set(c.id, row(again));
      const r = rows.get(c.id);
      if (r.item.parentNode !== g.list) g.list.append(r.item);
      r.update(c);
    }
    for (const [id, r] of rows) {
      if (!seen.has(id)) { r.item.remove(); rows.delete(id); }
    }
    for (const [name, g] of groups) {
      if (!order.includes(g)) { g.card.remove(); groups.delete(name); }
    }
    order.sort((a, b) => Number(a.name === "") - Number(b.name === "") || a.name.localeCompare(b.name));
    order.forEach((g, i) => {
      if (place.children[i] !== g.card) place.insertBefore(g.card, place.children[i] ?? null);
      g.update();
    });
    const up = list.filter(alive), used = (key) => up.reduce((sum, c) => sum + (c.usage?.[key] ?? 0), 0);
    meta.replaceChildren(...[`${up.length} of ${many(list.length, "container")} ${up.length === 1 ? "runs" : "run"}`, up.length ? `${percent(used("cpu"))} of a processor` : "", up.length ? `${bytes(used("memory"))} of memory` : ""].filter(Boolean).map((t) => el("span", {}, t)));
    show(none, list.length === 0);
    show(find, list.length > 0);
    filter();
  }

  // group is a stack, or what is of none.
  function group(name) {
    const list = el("ul", { class: "rows" }), count = el("p", { class: "hint" });
    const title = el("h2", {}, name || LONE);
    const press = name ? stackButtons(name, again) : null;
    const card = el("section", { class: "card group", "aria-label": name || LONE }, el("div", { class: "head" }, title, el("div", { class: "of-stack" }, count, press?.place ?? "")), list);
    const mine = () => [...rows.values()].filter((r) => r.item.parentNode === list);
    return {
      name, card, list, rows: mine,
      update() {
        const up = mine().filter((r) => alive(r.shown())).length;
        count.textContent = `${up} of ${mine().length} up`;
        press?.update(up, mine().length);
      },
    };
  }
  return { view, update };
}

// stackButtons start and stop a whole stack, in the order in which its services need each
// other.
function stackButtons(name, after) {
  const place = el("div", { class: "buttons" });
  const make = (verb, word, does, done) => {
    const b = el("button", { type: "button", class: "small", "aria-label": `${word} all of ${name}`, click: async () => {
      for (const o of [start, stop]) o.disabled = true;
      tell(`${does} stack ${name}`);
      try {
        await actStack(verb, name);
        trouble("");
        tell(`stack ${name} ${done}`);
      } catch (e) {
        trouble(`${word} stack ${name}: ${e.message}`);
      }
      for (const o of [start, stop]) o.disabled = false;
      after();
    } }, `${word} all`);
    place.append(b);
    return b;
  };
  const start = make("start", "Start", "starting", "started"), stop = make("stop", "Stop", "stopping", "stopped");
  return { place, update(up, all) { show(start, up < all); show(stop, up > 0); } };
}

// row is a container in the list.
function row(again) {
  let shown = null;
  const name = el("a", { class: "name" }), state = el("span", { class: "state" }), sub = el("span", {});
  const where = el("div", { class: "where" }), cpu = el("b", {}), line = el("div", {}), memory = el("b", {}), of = el("span", { class: "sub of" });
  const press = buttons(() => again());
  const item = el("li", { class: "row" },
    el("div", { class: "who" }, name, el("div", { class: "sub" }, state, " · ", sub)), where,
    el("div", { class: "figure" }, el("span", { class: "label" }, "processor "), cpu, line),
    el("div", { class: "figure" }, el("span", { class: "label" }, "memory "), memory, " ", of), press.place);
  const self = {
    item, text: "", shown: () => shown,
    update(c) {
      shown = c;
      self.text = `${c.name} ${c.image} ${c.project ?? ""}`.toLowerCase();
      name.textContent = c.name;
      name.href = `#/containers/${c.id}`;
      const [kind, words] = stands(c);
      state.className = `state ${kind}`;
      state.textContent = words;
      sub.textContent = c.image;
      const ports = (c.ports ?? []).map((p) => p.url).join();
      if (where.dataset.ports !== ports) {
        where.dataset.ports = ports;
        where.replaceChildren(...(c.ports ?? []).flatMap((p, i) => [i ? ", " : "", link(p)]));
      }
      cpu.textContent = c.usage ? percent(c.usage.cpu) : "–";
      line.replaceChildren(c.recent ? spark(c.recent) : "");
      memory.textContent = c.usage ? bytes(c.usage.memory) : "–";
      of.textContent = c.usage?.limit ? `of ${bytes(c.usage.limit)}` : "";
      press.update(c);
    },
  };
  return self;
}

// link leads to what a container has published.
export function link(p) {
  return el("a", { href: p.url, target: "_blank", rel: "noopener noreferrer" }, p.at, el("span", { class: "sr" }, " (opens in a new tab)"));
}
