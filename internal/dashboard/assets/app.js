// The dashboard: which view is shown, and when it is brought up to date. Everything that
// containers say of themselves reaches the page as text.
import { byId } from "./dom.js";
import { trouble } from "./api.js";
import { container } from "./container.js";
import { containers } from "./containers.js";
import { things } from "./things.js";

const EVERY = 2000;
let view = null, turn = 0;

// told shows whose page this is.
const told = (version) => { byId("version").textContent = `Wherry ${version}`; };

function open() {
  const [, room = "containers", id] = location.hash.split("/");
  turn += 1;
  view?.close?.();
  trouble("");
  document.title = "Wherry dashboard";
  if (room === "containers" && /^[0-9a-f]{64}$/.test(id ?? "")) view = container(id, update, () => { location.hash = "#/containers"; });
  else if (["images", "volumes", "networks"].includes(room)) view = things(room);
  else view = containers(update, told);
  byId("view").replaceChildren(...view.view);
  for (const a of byId("rooms").children) {
    if (a.getAttribute("href") === `#/${room}`) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  update();
}

let waiting = null;

// update brings the view up to date, and does so again in a moment while somebody can
// see it.
async function update() {
  const mine = turn;
  clearTimeout(waiting);
  try {
    await view.update();
  } catch (e) {
    if (mine === turn) trouble(e.message);
  }
  if (mine !== turn) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => { if (!document.hidden) update(); }, EVERY);
}

// theme follows the system until somebody chooses.
function theme() {
  const button = byId("theme"), dark = matchMedia("(prefers-color-scheme: dark)");
  const set = (chosen) => {
    document.documentElement.dataset.theme = chosen ?? "";
    const now = chosen ?? (dark.matches ? "dark" : "light");
    button.textContent = now === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", now === "dark" ? "Light colours" : "Dark colours");
  };
  let chosen = null;
  set(chosen);
  dark.addEventListener("change", () => set(chosen));
  button.addEventListener("click", () => {
    chosen = button.textContent.toLowerCase();
    set(chosen);
  });
}

byId("skip").addEventListener("click", (e) => { e.preventDefault(); byId("main").focus(); });
addEventListener("hashchange", () => {
  open();
  byId("main").focus();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) update(); });
theme();
open();
