/* The row of a task: its state in words, its progress, what can be done with it. */
import { make } from "./dom.mjs";
import { change, clock, size } from "./figures.mjs";
import { known, language, text } from "./texts.mjs";
import { pictureOf } from "./thumbs.mjs";

export const isFinal = (task) => ["processed", "failed", "canceled"].includes(task.status);
export const nameOf = (task) => task.original_file ?? task.url ?? `#${task.id}`;

function took({ uploaded_at: from, processed_at: to }) {
  const seconds = (new Date(to) - new Date(from)) / 1000;
  if (!from || !to || !(seconds >= 0)) return null;
  return seconds < 60 ? `${seconds.toLocaleString(language, { maximumFractionDigits: 1 })} s` : clock(seconds);
}

function when(stamp) {
  const date = new Date(stamp), isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(language, { ...(isToday ? {} : { dateStyle: "medium" }), timeStyle: "short" });
}

function sizes(task) {
  if (task.status !== "processed") return size(task.original_size, language);
  const total = task.outputs.reduce((sum, one) => sum + one.size, 0);
  const after = size(total, language), changed = change(task.original_size, total, language);
  if (!task.outputs.length) return size(task.original_size, language);
  return task.original_size ? `${size(task.original_size, language)} → ${after}${changed && ` (${changed})`}` : after;
}

const button = (name, what, run, attributes = {}) =>
  make("button", { type: "button", class: "quiet", "data-action": name, "aria-label": text(`${name}_of`, { name: what }), onclick: run, ...attributes }, text(name));

function actions(task, view, on) {
  const name = nameOf(task);
  if (view.isGoing) return [button("undo", name, () => on.undo(task))];
  const found = [];
  if (task.status === "processed" && task.outputs.length) {
    found.push(button("download", name, () => on.download(task), { class: "primary" }));
    if (on.play && /^(audio|video)\//.test(task.outputs[0].content_type) && task.outputs[0].format !== "gif")
      found.push(button("play", name, () => on.play(task), { "aria-expanded": String(view.isPlaying) }));
  }
  if (task.status === "processed") found.push(button("receipt", name, () => on.receipt(task), { "aria-expanded": String(view.receipt !== null) }));
  if (!isFinal(task)) found.push(button("cancel", name, () => on.cancel(task)));
  else {
    if (on.again && task.kind === "convert") found.push(button("again", name, () => on.again(task), { "aria-expanded": String(view.isAgain) }));
    found.push(button("delete", name, () => on.remove(task)));
  }
  return found;
}

/* Why a task failed, and what to try. */
function failure({ error }) {
  if (!error) return [];
  return [make("p", { class: "fault" }, known(`failed_${error.code}`, text("failed_because", { detail: error.detail }), { detail: error.detail })),
    make("p", { class: "soft small" }, known(`try_${error.code}`, text("try_default")))];
}

/* view: {isGoing: it is about to be deleted, receipt: node or null, isPlaying, isAgain, player and form: nodes or null, version, fault: text or null}. Returns {node, update(task, view), drawPicture()}. */
export function taskRow(first, firstView, on) {
  const bar = make("progress", { max: 100, "aria-label": text("converting_of", { name: nameOf(first) }) });
  const state = make("span", { class: "state" }), figures = make("p", { class: "soft small figures" }), title = make("p", { class: "row-name" });
  const buttons = make("div", { class: "actions" }), below = make("div", { class: "below" });
  const thumb = make("div", { class: "thumb", "aria-hidden": "true" });
  const node = make("li", { class: "row task", "data-id": first.id },
    make("div", { class: "row-main" }, thumb, make("div", { class: "row-text" }, title, figures), state, buttons), bar, below);
  let shape = "";

  function update(task, view) {
    node.dataset.state = view.isGoing ? "going" : task.status;
    bar.hidden = isFinal(task) || view.isGoing;
    if (task.status === "processing") bar.value = task.progress;
    else bar.removeAttribute("value");
    state.textContent = view.isGoing ? text("deleted") : task.status === "processing" ? `${text("state_processing")} ${Math.floor(task.progress)} %` : text(`state_${task.status}`);
    figures.textContent = [sizes(task), task.status === "processed" ? took(task) : null, when(task.uploaded_at ?? task.timestamp)].filter(Boolean).join(" · ");
    const now = JSON.stringify([task.status, task.new_format, task.outputs.length, task.error, nameOf(task), view.isGoing, view.isPlaying, view.isAgain, view.version, view.fault]);
    if (now === shape) return;
    shape = now;
    if (!thumb.firstElementChild) thumb.textContent = (task.new_format ?? "").toUpperCase(); /* without a picture, what it becomes */
    title.replaceChildren(make("bdi", {}, nameOf(task)), ...(task.new_format ? [make("span", { class: "becomes" }, `→ ${task.new_format.toUpperCase()}`)] : []));
    const focused = buttons.contains(document.activeElement) ? document.activeElement.dataset.action : null;
    buttons.replaceChildren(...actions(task, view, on));
    if (focused) (buttons.querySelector(`[data-action=${focused}]`) ?? buttons.firstElementChild)?.focus();
    const parts = view.isGoing ? [] : [...(task.status === "failed" ? failure(task) : []), ...(view.fault ? [make("p", { class: "fault", role: "alert" }, view.fault)] : []),
      ...[view.player, view.form, view.receipt].filter(Boolean)];
    if (parts.length !== below.childNodes.length || parts.some((one, i) => below.childNodes[i] !== one)) below.replaceChildren(...parts);
  }
  const drawPicture = () => {
    const picture = pictureOf(first.id);
    if (picture) thumb.replaceChildren(picture);
  };
  update(first, firstView);
  drawPicture();
  return { node, update, drawPicture };
}
