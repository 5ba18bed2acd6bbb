// The log of a container, as it is printed.
import { el, show } from "./dom.js";

const MOST = 5000;

// What terminals take for commands is left out: the page is none.
const COMMANDS = /\x1b(?:\[[0-?]*[ -\/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

// plain is what a program printed without what is for terminals.
export const plain = (text) => text.replace(COMMANDS, "").replace(CONTROLS, "");

// log is a card with the log of a container. follow(id) begins, and goes on with the
// next life of the container when update says that there is one.
export function log() {
  let stop = null, life = "", stick = true, word = "";
  const place = el("div", { class: "log", role: "log", tabindex: "0", "aria-label": "Log", "aria-live": "off" });
  const status = el("p", { class: "hint", role: "status" });
  const find = el("input", { type: "search", placeholder: "Lines with", "aria-label": "Show lines with this in them", input: () => { word = find.value.toLowerCase(); for (const e of place.children) hush(e); end(); } });
  const timed = el("input", { type: "checkbox", change: () => place.classList.toggle("timed", timed.checked) });
  const tail = el("input", { type: "checkbox", checked: true, change: () => { stick = tail.checked; end(); } });
  const card = el("section", { class: "card", "aria-labelledby": "log-title" },
    el("div", { class: "head" }, el("h2", { id: "log-title" }, "Log"), status),
    el("div", { class: "log-tools" }, find, el("label", {}, timed, "Times"), el("label", {}, tail, "Keep to the end")), place);
  place.addEventListener("scroll", () => {
    const there = place.scrollHeight - place.scrollTop - place.clientHeight < 24;
    if (there !== stick) { stick = there; tail.checked = there; }
  }, { passive: true });

  const end = () => { if (stick) place.scrollTop = place.scrollHeight; };
  const hush = (e) => e.classList.toggle("hushed", word !== "" && !e.textContent.toLowerCase().includes(word));

  function add(lines) {
    const made = lines.map(({ at, stream, text }) => {
      const e = el("div", { class: stream === "stderr" ? "stderr" : "" }, el("time", { dateTime: at }, new Date(at).toLocaleTimeString()), text.replace(COMMANDS, "").replace(CONTROLS, ""));
      hush(e);
      return e;
    });
    place.append(...made.slice(-MOST));
    while (place.children.length > MOST) place.firstChild.remove();
    end();
  }

  async function read(id, tailing, signal) {
    const answer = await fetch(`data/containers/${id}/logs?tail=${tailing}`, { signal });
    if (!answer.ok) throw new Error((await answer.json()).error);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      const lines = parts.filter(Boolean).map((p) => JSON.parse(p));
      if (lines.length) add(lines);
    }
  }

  return {
    card,
    // update begins to read when there is something new to be read: another life.
    async update(c, logged) {
      const now = `${c.id} ${c.started ?? ""}`;
      if (!logged) { status.textContent = "it keeps no log"; show(place, false); return; }
      if (now === life) return;
      life = now;
      stop?.abort();
      stop = new AbortController();
      const { signal } = stop;
      place.replaceChildren();
      status.textContent = "";
      try {
        await read(c.id, 500, signal);
        if (!signal.aborted) status.textContent = "its end";
      } catch (e) {
        if (!signal.aborted) { status.textContent = `no more of it: ${e.message}`; life = ""; }
      }
    },
    close() { stop?.abort(); },
  };
}
