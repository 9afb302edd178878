/* The row of a file that is not a task yet: what it is, what it shall become, how far it has been sent. */
import { make } from "./dom.mjs";
import { clock, size } from "./figures.mjs";
import { targets } from "./kinds.mjs";
import { language, text } from "./texts.mjs";

const MOVING = ["waiting", "sending", "lost", "paused"];

function described({ url, size: bytes, kind, facts }) {
  const words = [kind ? text(`kind_${kind}`) : text(url ? "kind_link" : "kind_file")];
  if (facts?.seconds) words.push(clock(facts.seconds));
  if (facts?.width) words.push(`${facts.width}×${facts.height}`);
  if (bytes !== null) words.push(size(bytes, language));
  return words.join(" · ");
}

export function formatSelect(kind, format, label, onChoose) {
  const groups = targets(kind).map(([name, formats]) =>
    make("optgroup", { label: text(`kind_${name}`) }, formats.map((one) => make("option", { value: one, selected: one === format }, one.toUpperCase()))));
  return make("select", { "aria-label": label, onchange: (event) => onChoose(event.target.value) }, groups);
}

const button = (name, what, run, kind = "quiet") =>
  make("button", { type: "button", class: kind, "data-action": name, "aria-label": text(`${name}_of`, { name: what }), onclick: run }, text(name));

function actions(item, on) {
  const found = [];
  if (item.state === "sending" && item.size > 0 && item.session) found.push(button("pause", item.name, () => on.pause(item)));
  if (item.state === "paused") found.push(button("resume", item.name, () => on.go(item)));
  if (item.state === "lost") found.push(button("try_now", item.name, () => item.wake?.()));
  if (item.state === "failed" && !item.isFinal) found.push(button("try_again", item.name, () => on.go(item)));
  if (item.state === "missing") found.push(button("pick_again", item.name, () => on.pick(item)));
  found.push(button(MOVING.includes(item.state) ? "cancel" : "remove", item.name, () => on.remove(item)));
  return found;
}

/* What stands under the progress bar. */
function progressWords({ state, sent, size: bytes, speed, fault, url }) {
  if (state === "waiting") return text("waiting");
  if (state === "lost") return fault;
  if (url) return text("ordering");
  const part = text("sent_of", { sent: size(sent ?? 0, language), size: size(bytes, language) });
  if (state === "paused") return `${text("paused")} · ${part}`;
  if (sent >= bytes) return text("ordering");
  if (!speed) return part;
  return `${part} · ${size(speed, language)}/s · ${text("left", { time: clock((bytes - sent) / speed) })}`;
}

/* Returns {node, update()}; update changes what has changed, so the focus stays. */
export function outboxRow(item, on, makeOptions) {
  const bar = make("progress", { max: 1000, "aria-label": text("uploading_of", { name: item.name }) });
  const words = make("p", { class: "soft small figures" }), fault = make("p", { class: "fault", role: "alert" });
  const about = make("p", { class: "soft small" }), buttons = make("div", { class: "actions" });
  const choice = make("div", { class: "choice" }), fold = make("div", { class: "fold" }), moving = make("div", { class: "moving" }, bar, words);
  const node = make("li", { class: "row" },
    make("div", { class: "row-main" }, make("div", { class: "row-text" }, make("p", { class: "row-name" }, make("bdi", {}, item.name)), about), choice, buttons),
    fold, moving, fault);
  let shape = "", knewFacts = false;

  function update() {
    about.textContent = described(item);
    if (item.facts && !knewFacts) fold.querySelector("details[open]")?.dispatchEvent(new Event("toggle")); /* it can show more now */
    knewFacts = Boolean(item.facts);
    const isMoving = MOVING.includes(item.state);
    moving.hidden = !isMoving;
    bar.value = item.url ? 0 : Math.round((item.sent ?? 0) / (item.size || 1) * 1000);
    words.textContent = isMoving ? progressWords(item) : "";
    fault.hidden = isMoving || !(item.fault || item.state === "missing");
    const said = fault.hidden ? "" : item.fault ?? text(item.sent !== null ? "missing_sent" : "missing");
    if (fault.textContent !== said) fault.textContent = said;
    node.dataset.state = item.state;
    const now = [item.state, item.session !== null, item.kind, item.format].join();
    if (now === shape) return;
    shape = now;
    const focused = node.contains(document.activeElement) ? document.activeElement : null;
    buttons.replaceChildren(...actions(item, on));
    const isOpen = ["new", "failed", "missing"].includes(item.state) && !item.isFinal;
    choice.replaceChildren(isOpen ? formatSelect(item.kind, item.format, text("format_of", { name: item.name }), (format) => on.edit(item, { format }))
      : make("span", { class: "becomes" }, `→ ${item.format.toUpperCase()}`));
    if (makeOptions) fold.replaceChildren(...(isOpen ? [makeOptions(item, (choices) => on.edit(item, { choices }), fold.querySelector("details")?.open)] : []));
    if (focused && !node.contains(focused)) (focused.tagName === "SELECT" ? choice.firstElementChild : buttons.firstElementChild)?.focus();
  }
  update();
  return { node, update };
}
