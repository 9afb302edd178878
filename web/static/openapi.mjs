/* Reads an OpenAPI 3.1 document. Pure functions, which the tests run in node. */

const METHODS = ["get", "post", "put", "patch", "delete"];

/* A schema composed by allOf as one: its parts' fields together, and what it says itself. */
function composed(doc, node) {
  const parts = (node?.allOf ?? []).map((one) => resolve(doc, one));
  if (!parts.some((one) => one.properties)) return node;
  const { allOf, ...own } = node;
  return { ...parts[0], ...own, properties: Object.assign({}, ...parts.map((one) => one.properties), own.properties),
    required: [...parts, own].flatMap((one) => one.required ?? []) };
}

/* Follows "#/a/b" references within the document; siblings of a reference take precedence. */
export function resolve(doc, node) {
  const seen = new Set();
  while (node && typeof node.$ref === "string") {
    if (seen.has(node.$ref)) throw new Error(`a reference to itself: ${node.$ref}`);
    seen.add(node.$ref);
    const { $ref, ...siblings } = node;
    const target = $ref.replace(/^#\//, "").split("/").reduce(
      (at, key) => at?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], doc);
    if (target === undefined) throw new Error(`nothing at ${$ref}`);
    node = { ...target, ...siblings };
  }
  return composed(doc, node);
}

export const refName = (node) => node?.$ref?.split("/").pop();

/* Every operation as one flat record; webhooks have a name instead of a path. */
export function operations(doc) {
  const found = [];
  for (const [path, item] of [...Object.entries(doc.paths ?? {}), ...Object.entries(doc.webhooks ?? {})])
    for (const method of METHODS.filter((name) => item[name])) {
      const operation = item[method];
      found.push({
        id: operation.operationId ?? `${method}-${path}`, method: method.toUpperCase(), path,
        isWebhook: !path.startsWith("/"), aliases: operation["x-aliases"] ?? [], tag: operation.tags?.[0] ?? "other",
        summary: operation.summary ?? "", description: operation.description ?? "",
        parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((one) => resolve(doc, one)),
        body: operation.requestBody ? resolve(doc, operation.requestBody) : null,
        responses: Object.entries(operation.responses ?? {}).map(([status, one]) => [status, resolve(doc, one)]),
        fields: Object.values(operation.requestBody?.content ?? {}).flatMap((media) => formFields(doc, media.schema).map((one) => one.name)),
        needsToken: (operation.security ?? doc.security ?? []).some((one) => Object.keys(one).length > 0),
      });
    }
  return found;
}

/* The operations under their tags, in the document's order of tags. */
export function byTag(doc, all) {
  const tags = (doc.tags ?? []).map((tag) => ({ ...tag, operations: [] }));
  for (const operation of all) {
    let tag = tags.find((one) => one.name === operation.tag);
    if (!tag) tags.push((tag = { name: operation.tag, operations: [] }));
    tag.operations.push(operation);
  }
  return tags.filter((tag) => tag.operations.length > 0);
}

/* True if the operation contains each word. */
export function matches(operation, words) {
  const text = [operation.method, operation.path, ...operation.aliases, operation.tag, operation.summary, operation.description,
    ...operation.parameters.map((one) => one.name), ...operation.fields].join(" ").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/* The words of typeText and limits; a page may give its own. */
const ENGLISH = { or: "or", and: "and", array_of: "array of", anything: "anything", nothing: "nothing", with: "with", one_of: "one of", to: "to",
  or_more: "or more", up_to: "up to", characters: "characters", items: "items", pattern: "pattern", by_default: "by default" };

/* A schema's type in words: "array of Task", "string (uuid) or null". */
export function typeText(doc, schema, words = ENGLISH) {
  if (schema === undefined || schema === true) return words.anything;
  if (schema === false) return words.nothing;
  if (schema.$ref) return refName(schema);
  for (const [key, word] of [["oneOf", words.or], ["anyOf", words.or], ["allOf", words.and]])
    if (schema[key]) return schema[key].map((one) => typeText(doc, one, words)).join(` ${word} `);
  if ("const" in schema) return JSON.stringify(schema.const);
  const types = [].concat(schema.type ?? (schema.properties ? "object" : []));
  const named = types.map((type) => {
    if (type === "array") return `${words.array_of} ${typeText(doc, schema.items, words)}`;
    if (type === "string" && schema.format) return `string (${schema.format})`;
    return type;
  });
  if (named.length) return named.join(` ${words.or} `);
  return schema.required ? `${words.with} ${schema.required.join(` ${words.and} `)}` : words.anything;
}

export const alternatives = (schema) => schema.oneOf ?? schema.anyOf ?? schema.allOf ?? [];

/* True if a schema has fields to show. */
export function hasFields(doc, schema) {
  const full = resolve(doc, schema ?? {});
  return Boolean(full.properties) || (full.items !== undefined && hasFields(doc, full.items)) ||
    alternatives(full).some((one) => hasFields(doc, one));
}

function range(low, high, words, noun) {
  const unit = noun ? ` ${noun}` : "";
  if (low !== undefined && high !== undefined) return `${low} ${words.to} ${high}${unit}`;
  if (low !== undefined) return `${low} ${words.or_more}${unit}`;
  return high === undefined ? null : `${words.up_to} ${high}${unit}`;
}

/* The bounds of a value in words. */
export function limits(schema, words = ENGLISH) {
  return [
    schema.enum ? `${words.one_of} ${schema.enum.map((one) => JSON.stringify(one)).join(", ")}` : null,
    range(schema.minimum, schema.maximum, words), range(schema.minLength, schema.maxLength, words, words.characters),
    range(schema.minItems, schema.maxItems, words, words.items),
    schema.pattern && !schema["x-choices"] ? `${words.pattern} ${schema.pattern}` : null,
    "default" in schema ? `${words.by_default} ${JSON.stringify(schema.default)}` : null].filter(Boolean).join("; ");
}

/* An example of a schema: its own, or one made of its parts; null if it is recursive. */
export function sample(doc, schema, depth = 0) {
  schema = resolve(doc, schema ?? {});
  if (schema.examples?.length) return schema.examples[0];
  for (const key of ["example", "default", "const"]) if (key in schema) return schema[key];
  if (schema.enum) return schema.enum[0];
  if (depth > 9) return null;
  if (!schema.properties && schema.allOf) return Object.assign({}, ...schema.allOf.map((one) => sample(doc, one, depth + 1)));
  if (!schema.properties && alternatives(schema).length) return sample(doc, alternatives(schema)[0], depth + 1);
  const type = [].concat(schema.type ?? (schema.properties ? "object" : "null"))[0];
  switch (type) {
    case "object":
      return Object.fromEntries(Object.entries(schema.properties ?? {})
        .map(([name, one]) => [name, sample(doc, one, depth + 1)]));
    case "array": return [sample(doc, schema.items, depth + 1)];
    case "string": return "text";
    case "integer": case "number": return schema.minimum ?? 1;
    case "boolean": return true;
    default: return null;
  }
}

/* The examples of a media type: its named ones, its own, or one made from its schema. */
export function examples(doc, media) {
  const named = Object.entries(media.examples ?? {}).map(([name, one]) => {
    const example = resolve(doc, one);
    return [example.summary ?? name, example.value];
  });
  if (named.length) return named;
  return [["example", "example" in media ? media.example : sample(doc, media.schema)]];
}

/* The fields of a form's schema, including those of its alternatives. aliasOf: the field of which it is another name. */
export function formFields(doc, schema) {
  schema = resolve(doc, schema ?? {});
  const others = alternatives(schema).map((one) => resolve(doc, one));
  const shapes = others.filter((one) => one.properties);
  const isRequired = (name) => (schema.required ?? []).includes(name) ||
    (shapes.length > 0 && shapes.every((one) => (one.required ?? []).includes(name)));
  const fields = new Map();
  for (const part of [schema, ...others])
    for (const [name, one] of Object.entries(part.properties ?? {})) {
      const field = resolve(doc, one);
      fields.set(name, { name, isFile: field.format === "binary", required: isRequired(name), aliasOf: part["x-field-aliases"]?.[name] ?? null, schema: field });
    }
  return [...fields.values()];
}

/* What a value may be chosen from: {groups: [[title, values]], many}; null if it is free. */
export function choices(doc, schema) {
  const full = resolve(doc, schema ?? {});
  if (full["x-choices"]) return { groups: Object.entries(full["x-choices"]), many: false };
  if (full.enum) return { groups: [["", full.enum]], many: false };
  if (full.type === "boolean") return { groups: [["", [true, false]]], many: false };
  const inner = full.type === "array" ? choices(doc, full.items) : null;
  return inner && { ...inner, many: true };
}

/* The schema of the object that a value is, or that it contains as JSON text; null for other values. */
export function objectOf(doc, schema) {
  const full = resolve(doc, schema ?? {});
  const held = full.contentSchema ? resolve(doc, full.contentSchema) : full;
  return held.properties ? held : null;
}

/* A value as JSON has it, from the text of an input; numbers that are none stay text, for the server to refuse. */
export function typed(doc, schema, text) {
  const full = resolve(doc, schema ?? {});
  const types = [full, ...alternatives(full)].flatMap((one) => resolve(doc, one).type ?? []);
  const isNumber = types.some((one) => one === "integer" || one === "number") && !types.includes("string");
  if (isNumber && text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  if (full.type === "boolean") return text === "true";
  return text;
}

/* The field that a problem's detail is about: "options.crf must be …" → "options.crf". */
export function fieldOf(detail) {
  return /^([A-Za-z][\w.-]*) /.exec(detail ?? "")?.[1] ?? null;
}

/* The other addresses of operations: [{method, path, operation}]. */
export function aliases(all) {
  return all.flatMap((operation) => operation.aliases.map((path) => ({ method: operation.method, path, operation })));
}

/* A text's paragraphs, each a list of {text, code}: blank lines separate paragraphs, backticks mark code. */
export function prose(text) {
  return text.trim().split(/\n\s*\n/).map((paragraph) => paragraph.split("`")
    .map((piece, n) => ({ text: piece, code: n % 2 === 1 })).filter((piece) => piece.text));
}
