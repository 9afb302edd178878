/* Shows what an operation takes and returns: parameters, bodies, responses, and the schemas in them. */
import { lazy, make, prose } from "./dom.mjs";
import * as openapi from "./openapi.mjs";
import { english, text, words } from "./texts_docs.mjs";

const asText = (value) => typeof value === "string" ? value : JSON.stringify(value, null, 2);
const isForm = (type) => type === "multipart/form-data" || type === "application/x-www-form-urlencoded";
const typeText = (doc, schema) => openapi.typeText(doc, schema, words);
const limits = (schema) => openapi.limits(schema, words);
const mark = (required) => required ? make("span", { class: "must" }, text("docs_required")) : null;

/* Paragraphs of the contract. */
export function contractProse(said) {
  const paragraphs = prose(said);
  if (english.lang) for (const one of paragraphs) one.lang = english.lang;
  return paragraphs;
}

function entry(name, type, required, description, bounds, inner) {
  return make("div", { class: "entry" },
    make("dt", {}, make("code", {}, name), make("span", { class: "soft small" }, type), mark(required)),
    make("dd", {}, contractProse(description), bounds ? make("p", { class: "soft small" }, bounds) : null, inner));
}

const fieldEntry = (doc, name, schema, required) => {
  const full = openapi.resolve(doc, schema);
  return entry(name, typeText(doc, schema), required, full.description, limits(full), inner(doc, schema));
};

/* The fields inside a field: properties of an object, of an array's items, or of alternatives. */
function inner(doc, schema) {
  if (!openapi.hasFields(doc, schema)) return null;
  const full = openapi.resolve(doc, schema);
  const holder = full.items ?? schema;
  return lazy(openapi.refName(holder) ? text("docs_fields_of", { name: openapi.refName(holder) }) : text("docs_fields_label"), () => schemaNode(doc, holder));
}

function properties(doc, full) {
  const all = Object.entries(full.properties).map(([name, one]) =>
    [full["x-field-aliases"]?.[name], fieldEntry(doc, name, one, (full.required ?? []).includes(name))]);
  const others = all.filter(([alias]) => alias);
  return [make("dl", { class: "entries" }, all.filter(([alias]) => !alias).map(([, node]) => node)),
    others.length ? lazy(text("docs_other_names"), () => make("dl", { class: "entries" }, others.map(([, node]) => node))) : null];
}

function schemaNode(doc, schema) {
  const full = openapi.resolve(doc, schema ?? {});
  if (full.properties) return make("div", { class: "nested" }, contractProse(full.description), properties(doc, full));
  return make("div", { class: "nested" }, contractProse(full.description),
    make("p", { class: "soft small" }, [typeText(doc, schema), limits(full)].filter(Boolean).join("; ")),
    full.items ? inner(doc, full) : null,
    openapi.alternatives(full).map((one) => openapi.hasFields(doc, one)
      ? lazy(openapi.resolve(doc, one).title ?? typeText(doc, one), () => schemaNode(doc, one))
      : make("p", { class: "soft small" }, typeText(doc, one))));
}

function content(doc, all) {
  return Object.entries(all ?? {}).map(([type, media]) => make("div", { class: "content" },
    make("p", {}, make("code", {}, type), " ", make("span", { class: "soft small" }, typeText(doc, media.schema))),
    media.schema ? lazy(text("docs_fields_label"), () => schemaNode(doc, media.schema)) : null,
    isForm(type) ? [] : openapi.examples(doc, media).map(([name, value]) =>
      lazy(name === "example" ? text("docs_example") : text("docs_example_of", { name }), () => make("pre", { tabindex: "0" }, asText(value))))));
}

function parameters(doc, operation) {
  if (!operation.parameters.length) return null;
  return make("section", {}, make("h4", {}, text(operation.isWebhook ? "docs_headers" : "docs_parameters")), make("dl", { class: "entries" }, operation.parameters.map((one) =>
    entry(one.name, [operation.isWebhook ? "" : `${text(`docs_in_${one.in}`)}, `, typeText(doc, one.schema)].join(""), one.required, one.description,
      limits(openapi.resolve(doc, one.schema ?? {})), null))));
}

function responses(doc, operation) {
  return make("section", {}, make("h4", {}, text(operation.isWebhook ? "docs_your_answer" : "docs_responses")), [...operation.responses].sort(([a], [b]) => a < b ? -1 : 1).map(([status, response]) => {
    const said = (openapi.prose(response.description ?? "")[0] ?? []).map((piece) => piece.code ? make("code", {}, piece.text) : piece.text);
    const head = [make("span", { class: "status", "data-class": status[0] }, status), " ", make("span", english, said)];
    if (!response.headers && !response.content) return make("p", { class: "response" }, head);
    return lazy(head, () => make("div", { class: "nested" },
      Object.entries(response.headers ?? {}).map(([name, header]) =>
        make("p", { class: "small" }, make("code", {}, name), " ", make("span", english, openapi.resolve(doc, header).description ?? ""))),
      content(doc, response.content)), { class: "response" });
  }));
}

/* All that the document says about an operation. */
export function about(doc, operation) {
  return make("div", { class: "about" },
    operation.description ? make("section", {}, contractProse(operation.description)) : null,
    parameters(doc, operation),
    operation.body ? make("section", {}, make("h4", {}, text("docs_body")), contractProse(operation.body.description), content(doc, operation.body.content)) : null,
    responses(doc, operation));
}
