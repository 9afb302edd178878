/* What a row of a task unfolds: the result played in place, and the form that converts again. */
import { make } from "./dom.mjs";
import { kindOf, optionsKept } from "./kinds.mjs";
import { formatSelect } from "./outbox_row.mjs";
import { nameOf } from "./task_row.mjs";
import { text } from "./texts.mjs";

/* The token of an address ends after 5 minutes; then the player gets another, and goes on where it was. */
async function player(task, fileAddress) {
  const isVideo = task.outputs[0].content_type.startsWith("video/");
  const node = make(isVideo ? "video" : "audio", { controls: true, preload: "metadata", "aria-label": text("play_of", { name: nameOf(task) }), class: "player" });
  const fault = make("p", { class: "fault", role: "alert", hidden: true }, text("not_playable"));
  let since = Date.now();
  node.src = await fileAddress(task, 0);
  node.addEventListener("error", async () => {
    const at = node.currentTime, wasPlaying = !node.paused;
    if (Date.now() - since < 60_000) {
      node.hidden = true;
      fault.hidden = false;
      return;
    }
    since = Date.now();
    node.src = await fileAddress(task, 0);
    node.currentTime = at;
    if (wasPlaying) node.play();
  });
  node.play().catch(() => {});
  return make("div", {}, node, fault);
}

/* Another format runs the task again: the present result is replaced. */
function again(task, { attempt, change, redraw }, view) {
  const kind = kindOf(task.original_file ?? task.url ?? "");
  let format = task.new_format;
  const run = () => attempt(task, async () => {
    Object.assign(view, { form: null, isAgain: false });
    await change("PUT", `/api/tasks/${task.id}`, { body: { newFormat: format, options: optionsKept(format, task.options) } });
  });
  const close = () => {
    Object.assign(view, { form: null, isAgain: false });
    redraw(task);
  };
  return make("form", { class: "again", onsubmit: (event) => { event.preventDefault(); run(); } },
    formatSelect(kind, format, text("format_of", { name: nameOf(task) }), (one) => { format = one; }),
    make("button", { type: "submit", class: "primary" }, text("again")), make("button", { type: "button", class: "quiet", onclick: close }, text("cancel")),
    make("p", { class: "soft small" }, text("again_note")));
}

export const more = (tools) => ({
  play: (task) => tools.attempt(task, async ({ view }) => {
    view.player = view.player ? null : await player(task, tools.fileAddress);
    view.isPlaying = view.player !== null;
  }),
  again: (task) => tools.attempt(task, async ({ view }) => {
    view.form = view.form ? null : again(task, tools, view);
    view.isAgain = view.form !== null;
  }),
});
