/* Shows what an operation takes and returns: parameters, bodies, responses, and the schemas in them. */
import { lazy, make, prose } from "./dom.mjs";
import * as openapi from "./openapi.mjs";

const asText = (value) => typeof value === "string" ? value : JSON.stringify(value, null, 2);
const isForm = (type) => type === "multipart/form-data" || type === "application/x-www-form-urlencoded";
const mark = (required) => required ? make("span", { class: "must" }, "required") : null;

function entry(name, type, required, description, limits, inner) {
  return make("div", { class: "entry" },
    make("dt", {}, make("code", {}, name), make("span", { class: "soft small" }, type), mark(required)),
    make("dd", {}, prose(description), limits ? make("p", { class: "soft small" }, limits) : null, inner));
}

const fieldEntry = (doc, name, schema, required) => {
  const full = openapi.resolve(doc, schema);
  return entry(name, openapi.typeText(doc, schema), required, full.description, openapi.limits(full), inner(doc, schema));
};

/* The fields inside a field: properties of an object, of an array's items, or of alternatives. */
function inner(doc, schema) {
  if (!openapi.hasFields(doc, schema)) return null;
  const full = openapi.resolve(doc, schema);
  const holder = full.items ?? schema;
  return lazy(`Fields${openapi.refName(holder) ? ` of ${openapi.refName(holder)}` : ""}`, () => schemaNode(doc, holder));
}

function properties(doc, full) {
  const all = Object.entries(full.properties).map(([name, one]) =>
    [full["x-field-aliases"]?.[name], fieldEntry(doc, name, one, (full.required ?? []).includes(name))]);
  const others = all.filter(([alias]) => alias);
  return [make("dl", { class: "entries" }, all.filter(([alias]) => !alias).map(([, node]) => node)),
    others.length ? lazy("Other names of these fields", () => make("dl", { class: "entries" }, others.map(([, node]) => node))) : null];
}

function schemaNode(doc, schema) {
  const full = openapi.resolve(doc, schema ?? {});
  if (full.properties) return make("div", { class: "nested" }, prose(full.description), properties(doc, full));
  return make("div", { class: "nested" }, prose(full.description),
    make("p", { class: "soft small" }, [openapi.typeText(doc, schema), openapi.limits(full)].filter(Boolean).join("; ")),
    full.items ? inner(doc, full) : null,
    openapi.alternatives(full).map((one) => openapi.hasFields(doc, one)
      ? lazy(openapi.resolve(doc, one).title ?? openapi.typeText(doc, one), () => schemaNode(doc, one))
      : make("p", { class: "soft small" }, openapi.typeText(doc, one))));
}

function content(doc, all) {
  return Object.entries(all ?? {}).map(([type, media]) => make("div", { class: "content" },
    make("p", {}, make("code", {}, type), " ", make("span", { class: "soft small" }, openapi.typeText(doc, media.schema))),
    media.schema ? lazy("Fields", () => schemaNode(doc, media.schema)) : null,
    isForm(type) ? [] : openapi.examples(doc, media).map(([name, value]) =>
      lazy(name === "example" ? "Example" : `Example: ${name}`, () => make("pre", { tabindex: "0" }, asText(value))))));
}

function parameters(doc, operation) {
  if (!operation.parameters.length) return null;
  return make("section", {}, make("h4", {}, operation.isWebhook ? "Headers" : "Parameters"), make("dl", { class: "entries" }, operation.parameters.map((one) =>
    entry(one.name, [operation.isWebhook ? "" : `in ${one.in}, `, openapi.typeText(doc, one.schema)].join(""), one.required, one.description,
      openapi.limits(openapi.resolve(doc, one.schema ?? {})), null))));
}

function responses(doc, operation) {
  return make("section", {}, make("h4", {}, operation.isWebhook ? "Your answer" : "Responses"), [...operation.responses].sort(([a], [b]) => a < b ? -1 : 1).map(([status, response]) => {
    const text = (openapi.prose(response.description ?? "")[0] ?? []).map((piece) => piece.code ? make("code", {}, piece.text) : piece.text);
    const head = [make("span", { class: "status", "data-class": status[0] }, status), " ", text];
    if (!response.headers && !response.content) return make("p", { class: "response" }, head);
    return lazy(head, () => make("div", { class: "nested" },
      Object.entries(response.headers ?? {}).map(([name, header]) =>
        make("p", { class: "small" }, make("code", {}, name), " ", openapi.resolve(doc, header).description ?? "")),
      content(doc, response.content)), { class: "response" });
  }));
}

/* All that the document says about an operation. */
export function about(doc, operation) {
  return make("div", { class: "about" },
    operation.description ? make("section", {}, prose(operation.description)) : null,
    parameters(doc, operation),
    operation.body ? make("section", {}, make("h4", {}, "Body"), prose(operation.body.description), content(doc, operation.body.content)) : null,
    responses(doc, operation));
}
