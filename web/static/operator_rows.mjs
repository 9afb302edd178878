/* The rows of /operator: a code with how many tasks failed with it, a task, a dead letter, and what a user has. */
import { call } from "./calls.mjs";
import { make } from "./dom.mjs";
import { size } from "./figures.mjs";
import { explain } from "./forms.mjs";
import { counted, known, language, text } from "./texts_service.mjs";

const when = (time) => time && new Date(time).toLocaleString(language, { dateStyle: "short", timeStyle: "medium" });
const row = (head, lines, button = null) => make("li", {},
  make("div", { class: "words" }, make("p", {}, make("strong", {}, head)), lines.filter(Boolean).map((line) => make("p", { class: "soft small" }, line))), button);
const joined = (...parts) => parts.filter(Boolean).join(" · ");

/* show(code) lists the tasks. */
export const failureRow = ({ code, count, last_at: last, tasks }, show) => row(code,
  [joined(counted("operator_count", count), text("operator_last", { when: when(last) }), tasks.map((id) => `#${id}`).join(" "))],
  make("button", { type: "button", class: "quiet", "aria-label": text("operator_show_code_of", { code }), onclick: () => show(code) }, text("operator_show_code")));

/* Runs a task again, and says at the button's place what came of it. */
function requeueButton(id) {
  const button = make("button", { type: "button", "aria-label": text("operator_requeue_of", { id }), onclick: requeue }, text("operator_requeue"));
  async function requeue() {
    const place = button.parentNode;
    place.querySelector(".fault")?.remove();
    button.disabled = true;
    try {
      const { generation } = await call("POST", `/api/operator/tasks/${id}/requeue`);
      const done = make("p", { class: "done", role: "status", tabindex: "-1" }, text("operator_requeued", { generation }));
      button.replaceWith(done);
      done.focus();
    } catch (failure) {
      button.disabled = false;
      place.append(make("p", { class: "fault", role: "alert" }, explain(failure)));
      button.focus();
    }
  }
  return button;
}

export const taskRow = (task) => row(joined(text("operator_task", { id: task.id }), task.kind, text("operator_of_user", { user: task.user_id })), [
  joined(known(`reason_${task.reason}`, task.reason), counted("operator_attempts", task.attempts), when(task.processed_at ?? task.published_at ?? task.uploaded_at)),
  joined(task.code, task.detail)], requeueButton(task.id));

const MAY_RUN_AGAIN = new Set(["failed", "uploaded"]);
export const letterRow = (letter) => row(joined(text("operator_task", { id: letter.task_id }), letter.kind, text("operator_of_user", { user: letter.user_id })), [
  joined(known(`state_${letter.status}`, letter.status), letter.code, counted("operator_times", letter.times), text("operator_last", { when: when(letter.last_at) }),
    letter.requeued_at && text("operator_requeued_at", { when: when(letter.requeued_at) }))],
MAY_RUN_AGAIN.has(letter.status) ? requeueButton(letter.task_id) : null);

function usageOf(name, used, limit) {
  const figure = name === "stored_bytes" ? (value) => size(value, language) : (value) => value.toLocaleString(language, { maximumFractionDigits: 1 });
  const words = limit === null ? figure(used) : text("operator_of_limit", { used: figure(used), limit: figure(limit) });
  return make("div", { class: limit !== null && used >= limit ? "bad" : null }, make("dt", {}, text(`usage_${name}`)), make("dd", {}, words));
}

export const usageNodes = ({ id, username, is_operator: isOperator, created_at: since, used, limits }) => [
  make("p", {}, joined(`${username} (#${id})`, isOperator && text("operator_is_operator"), text("operator_since", { when: new Date(since).toLocaleDateString(language) }))),
  make("dl", {}, Object.entries(used).map(([name, value]) => usageOf(name, value, limits[name] ?? null)))];
