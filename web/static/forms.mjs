/* Forms: what is wrong is said beside the field that it concerns. */
import { make } from "./dom.mjs";
import { fieldOf } from "./openapi.mjs";
import { known, text } from "./texts.mjs";

let count = 0;

/* What a failure of a request means, in the language of the page where its table knows it. */
export function explain(failure) {
  if (failure.name === "AbortError") return "";
  return failure.status ? known(`code_${failure.code}`, failure.message) : text("lost");
}

export function clearFaults(form) {
  for (const one of form.querySelectorAll(".fault")) {
    if (one.id.startsWith("fault-")) one.remove();
    else one.hidden = true;
  }
  for (const one of form.querySelectorAll("[aria-invalid]")) {
    one.removeAttribute("aria-invalid");
    one.removeAttribute("aria-describedby");
  }
}

export function faultAt(input, words) {
  const box = make("span", { class: "fault", id: `fault-${++count}` }, words);
  input.closest(".field").append(box);
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", box.id);
}

/* Says it for each required field that is empty; returns if there was none. */
export function checkFilled(form, inputs) {
  const empty = inputs.filter((input) => !input.value);
  for (const input of empty) faultAt(input, text("required"));
  empty[0]?.focus();
  return empty.length === 0;
}

/* names: {field of the API: name of the input}; codes: {error code: name of the input}. Without a field, general has it. */
export function showFailure(form, failure, general, { names = {}, codes = {} } = {}) {
  const field = codes[failure.code] ?? names[fieldOf(failure.message)] ?? fieldOf(failure.message);
  const input = failure.status === 400 || failure.status === 409 || codes[failure.code] ? form.elements.namedItem(field ?? "") : null;
  if (input) {
    faultAt(input, explain(failure));
    input.focus();
    return;
  }
  general.textContent = explain(failure);
  general.hidden = false;
}
