// A command in a container, and what it printed.
import { el, show } from "./dom.js";
import { exec } from "./api.js";
import { plain } from "./log.js";

// command is a card with a line for a command. It is there while the container runs.
export function command(id) {
  let busy = false;
  const line = el("input", { type: "text", id: "command", name: "command", autocomplete: "off", autocapitalize: "off", spellcheck: false, maxLength: 1000, placeholder: "ls -l /", "aria-label": "Command" });
  const button = el("button", { type: "submit" }, "Run");
  const ended = el("p", { class: "hint", role: "status" });
  const output = el("pre", { class: "log said-by", tabindex: "0", hidden: true, "aria-label": "What the command printed" });
  const form = el("form", { class: "command" }, line, button);
  const card = el("section", { class: "card", "aria-labelledby": "command-title" },
    el("div", { class: "head" }, el("h2", { id: "command-title" }, "Run a command"), ended), form, output);
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const text = line.value.trim();
    if (busy || text === "") return;
    busy = button.disabled = true;
    ended.textContent = `${text}: it runs`;
    try {
      const said = await exec(id, text);
      output.textContent = plain(said.output);
      show(output, said.output !== "");
      ended.textContent = `${text}: ${said.late ? "ended after 30 seconds" : `exit code ${said.code}`}${said.cut ? ", the first 64 KB are shown" : ""}`;
    } catch (e) {
      show(output, false);
      ended.textContent = `${text}: ${e.message}`;
    }
    busy = button.disabled = false;
    line.select();
  });
  return { card, update(c) { show(card, c.status === "running"); } };
}
