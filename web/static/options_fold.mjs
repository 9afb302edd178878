/* The common options behind one fold: quality, size, loudness, and the part that is kept. */
import { make } from "./dom.mjs";
import { clock, exact, seconds } from "./figures.mjs";
import { isVideo, PRESETS, takesLoudness, takesQuality } from "./kinds.mjs";
import { makeStrip } from "./strip.mjs";
import { text } from "./texts.mjs";

const QUALITIES = ["small", "good", "best"], LEVELS = ["-14", "-16", "-23"], HEIGHTS = ["2160", "1080", "720", "480", "360"];

const field = (name, control, rest) => make("label", { class: "field" }, make("span", { class: "name" }, text(name)), control, rest);

function select(values, current, onChoose) {
  return make("select", { onchange: (event) => onChoose(event.target.value || null) },
    values.map(([value, words]) => make("option", { value, selected: (current ?? "") === value }, words)));
}

/* Returns {node, show(choices)}. */
function timeField(name, item, onEdit) {
  const fault = make("span", { class: "fault", hidden: true });
  const input = make("input", { inputmode: "numeric", placeholder: name === "start" ? "0:00" : item.facts?.seconds ? clock(item.facts.seconds) : "", onchange: check });
  const show = (choices) => {
    input.value = choices[name] ? exact(choices[name]) : "";
    fault.hidden = true;
    input.removeAttribute("aria-invalid");
  };
  function check() {
    const value = seconds(input.value), { start, end } = { ...item.choices, [name]: value };
    const isWrong = Number.isNaN(value) || (start && end && start >= end) || (item.facts?.seconds && value > item.facts.seconds + 1);
    fault.hidden = !isWrong;
    fault.textContent = isWrong ? text(Number.isNaN(value) ? "time_wrong" : "time_outside") : "";
    input.setAttribute("aria-invalid", String(isWrong));
    if (!isWrong) onEdit({ ...item.choices, [name]: value });
  }
  show(item.choices);
  return { node: field(name, input, fault), show };
}

/* The part that is kept: two times, and where the browser knows how long the file is, a strip to choose them on. */
function partFields(item, onEdit) {
  const place = make("div", { class: "strip-place" });
  let strip = null;
  const times = ["start", "end"].map((name) => timeField(name, item, (choices) => {
    strip?.show(choices);
    onEdit(choices);
  }));
  const chosen = (part) => {
    const choices = { ...item.choices, ...part };
    for (const one of times) one.show(choices);
    onEdit(choices);
  };
  const open = () => {
    if (strip || !item.file || !item.facts?.seconds) return;
    strip = makeStrip(item, chosen);
    place.append(strip.node);
  };
  return { nodes: [...times.map((one) => one.node), place], open };
}

/* onEdit(choices). Returns a <details>. A preset takes the place of the other options. */
export function optionsFold(item, onEdit, isOpen = false) {
  const { format, choices } = item, edit = (name) => (value) => onEdit({ ...item.choices, [name]: value });
  const none = ["", text("as_is")], part = partFields(item, onEdit);
  const others = [
    takesQuality(format) ? field("quality", select([["", text("quality_auto")], ...QUALITIES.map((one) => [one, text(`quality_${one}`)])], choices.quality, edit("quality"))) : null,
    isVideo(format) ? field("picture", select([none, ...HEIGHTS.map((one) => [one, `${one}p`])], choices.height, edit("height"))) : null,
    takesLoudness(format) ? field("loudness", select([none, ...LEVELS.map((one) => [one, text(`level_${-one}`)])], choices.loudness, edit("loudness"))) : null,
    ...part.nodes].filter(Boolean);
  const show = (preset) => { for (const one of others) one.hidden = Boolean(preset); };
  const presets = !isVideo(format) || item.kind === "audio" ? null : field("preset", select([["", text("preset_none")], ...PRESETS.map((one) => [one, text(`preset_${one}`)])], choices.preset,
    (preset) => { show(preset); edit("preset")(preset); }));
  if (presets) show(choices.preset);
  return make("details", { class: "options", open: isOpen, ontoggle: part.open }, make("summary", {}, text("options")), make("div", { class: "fields" }, others, presets));
}
