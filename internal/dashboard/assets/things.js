// Images, volumes and networks: tables.
import { el, bytes } from "./dom.js";
import { ago, get, trouble } from "./api.js";
import { link } from "./containers.js";

const short = (id) => id.replace(/^sha256:/, "").slice(0, 12);

const TABLES = {
  images: {
    title: "Images", columns: ["Name", "Kind", "ID", "Size", "Containers"], none: "No images yet. wherry build makes one, wherry pull fetches one.",
    async rows() {
      const [{ images }, { containers }] = await Promise.all([get("images"), get("containers")]);
      return images.map((i) => {
        const served = i.kind ? containers.filter((c) => c.image_id === i.id).flatMap((c) => c.ports ?? []) : [];
        return [i.names?.length ? i.names.join(", ") : el("span", { class: "empty" }, "no name"),
          el("span", {}, i.kind ? el("span", { class: "tag" }, i.kind === "model" ? "model" : "web") : "", ...served.flatMap((p) => [" ", link(p)])),
          el("span", { class: "ids" }, short(i.id)), bytes(i.size), (i.users ?? []).join(", ")];
      });
    },
  },
  volumes: {
    title: "Volumes", columns: ["Name", "Files", "Size", "Made", "Containers"], none: "No volumes yet. wherry run -v NAME:/data makes one.",
    async rows() {
      return (await get("volumes")).volumes.map((v) => [v.anonymous ? el("span", { class: "ids" }, v.name.slice(0, 12), el("span", { class: "empty" }, " without a name")) : v.name,
        `${v.files}${v.more ? " and more" : ""}`, `${v.more ? "more than " : ""}${bytes(v.bytes)}`, `${ago(v.created)} ago`, (v.users ?? []).join(", ")]);
    },
  },
  networks: {
    title: "Networks", columns: ["Name", "Addresses", "Reaches", "Containers"], none: "No networks yet. wherry network create NAME makes one.",
    async rows() {
      return (await get("networks")).networks.map((n) => [n.name, el("span", { class: "ids" }, n.subnet), n.internal ? "nothing outside" : "what containers may",
        n.members.map((m) => `${m.name} (${[m.address, ...(m.aliases ?? [])].join(", ")})`).join("; ")]);
    },
  },
};

// things is the view of one kind.
export function things(kind) {
  const t = TABLES[kind];
  const body = el("tbody"), none = el("p", { class: "empty", hidden: true }, t.none);
  const table = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t.title },
    el("table", { class: "wide" }, el("thead", {}, el("tr", {}, t.columns.map((c) => el("th", { scope: "col" }, c)))), body));
  const view = [el("div", { class: "title" }, el("h1", {}, t.title)), el("div", { class: "card" }, none, table)];
  return {
    view,
    async update() {
      const rows = await t.rows();
      trouble("");
      none.hidden = rows.length > 0;
      table.hidden = rows.length === 0;
      body.replaceChildren(...rows.map((cells) => el("tr", {}, cells.map((c) => el("td", {}, c)))));
    },
  };
}
