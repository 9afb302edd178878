/* What a row of a task unfolds: the result played in place, and the form that converts again. */
import { make } from "./dom.mjs";
import { kindOf, optionsKept } from "./kinds.mjs";
import { formatSelect } from "./outbox_row.mjs";
import { nameOf } from "./task_row.mjs";
import { text } from "./texts.mjs";

/* Two buttons that play what was sent, or what became of it, from the same moment on. */
function comparison(choose) {
  const buttons = ["before", "after"].map((side) => make("button", { type: "button", class: "quiet", "aria-pressed": String(side === "after"), "data-action": side, onclick: () => {
    for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset.action === side));
    choose(side);
  } }, text(side)));
  return make("div", { class: "comparison", role: "group", "aria-label": text("compare") }, buttons);
}

/* The token of an address ends after 5 minutes; then the player gets another, and goes on where it was. original: the file
 * that was sent, where this page still has it. */
async function player(task, fileAddress, original) {
  const isVideo = task.outputs[0].content_type.startsWith("video/"), begins = task.options?.trim?.start ?? 0;
  const node = make(isVideo ? "video" : "audio", { controls: true, preload: "metadata", "aria-label": text("play_of", { name: nameOf(task) }), class: "player" });
  const fault = make("p", { class: "fault", role: "alert", hidden: true }, text("not_playable"));
  let since = Date.now(), side = "after";
  const load = async (at) => {
    const wasPlaying = !node.paused;
    node.src = side === "after" ? await fileAddress(task, 0) : URL.createObjectURL(original);
    node.currentTime = at;
    node.hidden = false;
    fault.hidden = true;
    if (wasPlaying) node.play().catch(() => {});
  };
  const choose = (next) => {
    if (next === side) return;
    if (side === "before") URL.revokeObjectURL(node.src);
    const at = Math.max(0, node.currentTime + (next === "before" ? begins : -begins));
    side = next;
    since = Date.now();
    load(at);
  };
  await load(0);
  node.addEventListener("error", () => {
    if (side === "after" && Date.now() - since >= 60_000) {
      since = Date.now();
      load(node.currentTime);
      return;
    }
    node.hidden = true;
    fault.hidden = false;
  });
  node.play().catch(() => {});
  return make("div", {}, original ? comparison(choose) : null, node, fault);
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
    view.player = view.player ? null : await player(task, tools.fileAddress, tools.originalOf(task));
    view.isPlaying = view.player !== null;
  }),
  again: (task) => tools.attempt(task, async ({ view }) => {
    view.form = view.form ? null : again(task, tools, view);
    view.isAgain = view.form !== null;
  }),
});
