// The buttons of a container, and what they do.
import { el, show } from "./dom.js";
import { act, alive, sure, tell, trouble } from "./api.js";

const VERBS = {
  start: { word: "Start", does: "starting", done: "started", when: (c) => !alive(c) },
  stop: { word: "Stop", does: "stopping", done: "stopped", when: alive },
  restart: { word: "Restart", does: "restarting", done: "restarted", when: alive },
  pause: { word: "Pause", does: "pausing", done: "paused", when: (c) => c.status === "running", large: true },
  unpause: { word: "Go on", does: "going on", done: "goes on", when: (c) => c.status === "paused" },
  remove: { word: "Remove", does: "removing", done: "removed", when: () => true, danger: true },
};

// buttons makes them. after is called when one has done its work, with its verb.
export function buttons(after, large) {
  let shown = null, busy = "";
  const place = el("div", { class: "buttons" });
  const all = Object.entries(VERBS).filter(([, v]) => large || !v.large).map(([verb, v]) => {
    const b = el("button", { type: "button", class: `small${v.danger ? " danger" : ""}`, click: () => press(verb, v) }, v.word);
    place.append(b);
    return { b, v };
  });
  const draw = () => {
    for (const { b, v } of all) {
      const here = v.when(shown);
      if (!here && document.activeElement === b) all.find((o) => o !== all[0] && o.v.when(shown))?.b.focus();
      show(b, here);
      b.disabled = busy !== "";
      b.setAttribute("aria-label", `${v.word} ${shown.name}`);
    }
  };
  async function press(verb, v) {
    const c = shown;
    if (verb === "remove" && !await sure(`Remove ${c.name}?`, alive(c) ? "It runs: it is ended at once. What it wrote to its own files is gone; volumes with a name stay." : "What it wrote to its own files is gone; volumes with a name stay.", "Remove")) return;
    busy = v.does;
    draw();
    tell(`${v.does} ${c.name}`);
    try {
      await act(verb, c.id);
      trouble("");
      tell(`${c.name} ${v.done}`);
    } catch (e) {
      trouble(`${v.word} ${c.name}: ${e.message}`);
    }
    busy = "";
    draw();
    after(verb);
  }
  return { place, update(c) { shown = c; draw(); }, busy: () => busy };
}
