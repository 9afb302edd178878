/* Inputs for the values of a schema: selects for choices, fieldsets for objects, files, numbers, text. */
import { make, prose } from "./dom.mjs";
import * as openapi from "./openapi.mjs";
import { counted, english, text as word } from "./texts_docs.mjs";

let made = 0; /* for ids */

const asText = (value) => typeof value === "string" ? value : JSON.stringify(value);

function hint(full) {
  const example = full.examples?.[0] ?? full.example;
  return example === undefined ? null : asText(example);
}

function selectOf(full, { groups }, required) {
  const unset = required ? word("docs_choose") : "default" in full ? word("docs_default", { value: asText(full.default) }) : word("docs_not_set");
  const option = (value) => make("option", { value: String(value) }, String(value));
  return make("select", {}, make("option", { value: "" }, unset),
    groups.map(([title, values]) => title ? make("optgroup", { label: title }, values.map(option)) : values.map(option)));
}

function textOf(doc, full, name, isFile) {
  if (isFile) return make("input", { type: "file" });
  const number = [full.type].flat().find((one) => one === "integer" || one === "number");
  if (number)
    return make("input", { type: "number", inputmode: number === "integer" ? "numeric" : "decimal", min: full.minimum, max: full.maximum,
      step: full.multipleOf ?? (number === "integer" ? 1 : "any"), placeholder: hint(full) ?? full.default, autocomplete: "off" });
  const isSecret = /password/i.test(name);
  return make("input", { type: isSecret ? "password" : full.format === "email" ? "email" : "text", inputmode: full.format === "uri" ? "url" : null,
    autocomplete: isSecret ? "current-password" : name === "username" ? "username" : "off", autocapitalize: "none", spellcheck: "false",
    placeholder: hint(full) ?? full.default });
}

/* What an input holds: what is chosen, what is typed, files; undefined if it is empty. */
function reader(doc, full, input, isFile) {
  if (isFile) return () => input.files.length ? [...input.files] : undefined;
  return () => input.value === "" ? undefined : openapi.typed(doc, full, input.value);
}

function labelled(name, required, id) {
  return make("label", { for: id }, make("span", { class: "name" }, name, required ? make("span", { class: "must" }, ` ${word("docs_required")}`) : null));
}

function manyField(path, full, chosen, required) {
  const boxes = chosen.groups.flatMap(([, values]) => values).map((value) => {
    const box = make("input", { type: "checkbox", value: String(value) });
    return { value, box, node: make("label", { class: "choice" }, box, String(value)) };
  });
  const node = make("fieldset", { class: "field", "data-field": path }, make("legend", {}, path.split(".").pop(), required ? make("span", { class: "must" }, ` ${word("docs_required")}`) : null),
    make("div", { class: "choices" }, boxes.map((one) => one.node)), make("p", { class: "fault", hidden: true }));
  const read = () => {
    const values = boxes.filter(({ box }) => box.checked).map(({ value }) => value);
    return values.length ? values : undefined;
  };
  return { node, read };
}

/* Groups are as wide as the form: they come after what stands side by side. */
export const objectsLast = (doc, fields) => fields.toSorted((a, b) => Boolean(openapi.objectOf(doc, a.schema)) - Boolean(openapi.objectOf(doc, b.schema)));

/* An object, as a group that is folded until it is needed. */
function objectField(doc, path, full, held, required) {
  const parts = objectsLast(doc, openapi.formFields(doc, held))
    .map((one) => [one.name, field(doc, `${path}.${one.name}`, one.schema, { required: one.required })]);
  const count = parts.length;
  const node = make("details", { class: "group", "data-field": path },
    make("summary", {}, make("span", { class: "name" }, path.split(".").pop(), required ? make("span", { class: "must" }, ` ${word("docs_required")}`) : null),
      make("span", { class: "soft small" }, ` ${counted("docs_fields", count)}`)),
    make("p", { class: "fault", hidden: true }), make("div", { class: "fields" }, parts.map(([, part]) => part.node)));
  const read = () => {
    const set = parts.map(([name, part]) => [name, part.read()]).filter(([, value]) => value !== undefined);
    return set.length ? Object.fromEntries(set) : undefined;
  };
  return { node, read };
}

/* A field: {node, read() → its value, as JSON has it, or undefined}. path: its name, with those of the objects it is in. */
export function field(doc, path, schema, { required = false, isFile = false, about = null } = {}) {
  const full = openapi.resolve(doc, schema ?? {});
  const held = openapi.objectOf(doc, full);
  if (held) return objectField(doc, path, full, held, required);
  const chosen = openapi.choices(doc, full);
  if (chosen?.many) return manyField(path, full, chosen, required);
  const name = path.split(".").pop();
  const single = full.type || chosen ? full : openapi.resolve(doc, openapi.alternatives(full).find((one) => one.type !== "null") ?? full);
  const input = chosen ? selectOf(full, chosen, required) : textOf(doc, { ...single, ...full }, name, isFile);
  const id = input.id = `field${++made}`;
  input.setAttribute("aria-describedby", `${id}-fault ${id}-help`);
  if (required) input.setAttribute("aria-required", "true");
  const node = make("div", { class: "field", "data-field": path }, labelled(name, required, id), input,
    make("p", { class: "fault", id: `${id}-fault`, hidden: true }), make("div", { class: "help", id: `${id}-help` }, help(about ?? full.description, single)));
  return { node, input, read: reader(doc, full, input, isFile) };
}

/* The first sentence of a description, if it is short, and a number's range: all of it stands beside the form. */
function help(text, full) {
  const sentence = /^.*?\.(?=\s|$)/s.exec(text ?? "")?.[0] ?? text ?? "";
  const range = "minimum" in full && "maximum" in full ? word("docs_range", { low: full.minimum, high: full.maximum }) : "";
  if (!english.lang) return prose([sentence.length > 120 ? "" : sentence, range].filter(Boolean).join(" "));
  return [make("div", english, prose(sentence.length > 120 ? "" : sentence)), prose(range)];
}

/* Says at the field what is wrong with it, and opens the groups it is in; false if there is no such field. */
export function showFault(form, path, text) {
  const node = [...form.querySelectorAll("[data-field]")].find((one) => one.dataset.field === path);
  if (!node) return path.includes(".") && showFault(form, path.replace(/\.[^.]*$/, ""), text);
  for (let at = node; at && at !== form; at = at.parentElement) if (at.matches("details")) at.open = true;
  const fault = node.querySelector(":scope > .fault");
  fault.textContent = text;
  fault.hidden = false;
  node.querySelector("input, select")?.setAttribute("aria-invalid", "true");
  return true;
}

export function clearFaults(form) {
  for (const fault of form.querySelectorAll(".fault")) fault.hidden = true;
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}
