/* The form of an operation: it shows the request as a curl line, sends it, and shows the response. */
import { copyButton, make } from "./dom.mjs";
import { clearFaults, field, objectsLast, showFault } from "./fields.mjs";
import * as openapi from "./openapi.mjs";
import { curlLine, target } from "./request.mjs";
import { show } from "./response.mjs";
import * as session from "./session.mjs";
import { counted, english, text as word, withNodes } from "./texts_docs.mjs";

const asText = (value) => typeof value === "string" ? value : JSON.stringify(value, null, 2);
const JSON_TYPE = "application/json";
const OPTIONAL_SHOWN = 3; /* more optional parameters are folded; all of them where there is a body */

const labelled = (text, input) => make("div", { class: "field" }, make("label", { for: input.id }, make("span", { class: "name" }, text)), input);
let made = 0;

function parameterFields(doc, operation) {
  return operation.parameters.filter((one) => one.in !== "cookie").map((one) =>
    ({ parameter: one, ...field(doc, one.name, one.schema, { required: one.required === true, about: one.description }) }));
}

const isMain = ({ parameter }, all, hasBody) =>
  parameter.required || (!hasBody && all.filter((one) => !one.parameter.required).length <= OPTIONAL_SHOWN);

const fieldsOf = (some) => some.length ? make("div", { class: "fields" }, some.map((one) => one.node)) : null;

function folded(some) {
  if (!some.length) return null;
  return make("details", { class: "group" }, make("summary", {}, make("span", { class: "name plain" }, word("docs_optional")),
    make("span", { class: "soft small" }, ` ${counted("docs_fields", some.length)}`)), fieldsOf(some));
}

/* A body as JSON text: {nodes, read() → body of curlLine}. */
function textBody(doc, type, media) {
  const shown = openapi.examples(doc, media).map(([name, value]) => [name, asText(value)]);
  const text = make("textarea", { id: `body${++made}`, spellcheck: "false", autocomplete: "off", autocapitalize: "none" });
  text.value = shown[0][1];
  const pick = make("select", { id: `example${made}`, onchange: () => {
    text.value = shown[pick.selectedIndex][1];
    text.dispatchEvent(new Event("input", { bubbles: true }));
  } }, shown.map(([name]) => make("option", english, name)));
  return { nodes: [shown.length > 1 ? labelled(word("docs_example"), pick) : null, labelled(word("docs_body"), text)], read: () => ({ type, text: text.value }) };
}

/* A body made of fields. The file of a form without one is in the curl line only: there is nothing to send yet. */
function fieldsBody(doc, type, media) {
  const rows = objectsLast(doc, openapi.formFields(doc, media.schema).filter((one) => !one.aliasOf))
    .map((one) => ({ ...one, ...field(doc, one.name, one.schema, { required: one.required, isFile: one.isFile }) }));
  function read() {
    const values = rows.map((row) => [row, row.read()]);
    if (type === JSON_TYPE)
      return { type, text: JSON.stringify(Object.fromEntries(values.filter(([, value]) => value !== undefined).map(([row, value]) => [row.name, value])), null, 2) };
    const fields = values.flatMap(([{ name, isFile }, value]) => {
      if (isFile) return (value ?? [null]).map((file) => ({ name, value: file?.name ?? "FILE", isFile, file }));
      return value === undefined ? [] : [{ name, value: asFormText(value), isFile: false }];
    });
    return { type, fields };
  }
  return { nodes: [make("div", { class: "fields" }, rows.map((row) => row.node))], read };
}

function asFormText(value) {
  if (Array.isArray(value)) return value.join(" ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/* The ways to write a body: fields for each media type that has them, and JSON as text. */
function bodyWays(doc, operation) {
  return Object.entries(operation.body?.content ?? {}).flatMap(([type, media]) => [
    openapi.formFields(doc, media.schema).length ? [type, () => fieldsBody(doc, type, media)] : null,
    type === JSON_TYPE ? [word("docs_as_text", { type }), () => textBody(doc, type, media)] : null]).filter(Boolean);
}

const plain = (value) => Array.isArray(value) ? value.join(",") : String(value ?? "");

class Form {
  constructor(doc, operation) {
    this.operation = operation;
    this.parameters = parameterFields(doc, operation);
    this.ways = bodyWays(doc, operation);
    this.body = null;
    this.running = null;
    this.build();
    this.chooseWay(0);
  }

  build() {
    const { operation, ways } = this;
    const main = this.parameters.filter((one) => isMain(one, this.parameters, ways.length > 0));
    this.bodyBox = make("div");
    this.curl = make("pre", { tabindex: "0", class: "curl", "aria-label": word("docs_curl") });
    this.answer = make("div", { class: "answer", role: "region", "aria-label": word("docs_response"), hidden: true });
    this.said = make("p", { class: "visually-hidden", role: "status", "aria-live": "polite" });
    this.stop = make("button", { type: "button", hidden: true, onclick: () => this.running?.abort() }, word("docs_stop"));
    this.lacks = make("p", { class: "lacks" }, withNodes("docs_needs", {
      login: (said) => make("a", { href: "#login" }, said), signup: (said) => make("a", { href: "#signup" }, said) }));
    const pick = make("select", { id: `way${++made}`, onchange: () => this.chooseWay(pick.selectedIndex) }, ways.map(([name]) => make("option", {}, name)));
    this.node = make("form", { class: "try", novalidate: true, "aria-label": word("docs_try_of", operation),
      onsubmit: (event) => this.send(event), oninput: () => this.refresh(), onchange: () => this.refresh() },
    make("h4", {}, word("docs_try")), operation.needsToken ? this.lacks : null, fieldsOf(main),
    ways.length > 1 ? labelled(word("docs_send_as"), pick) : null, ways.length ? this.bodyBox : null, folded(this.parameters.filter((one) => !main.includes(one))),
    make("div", { class: "actions" }, make("button", { type: "submit", class: "primary" }, word("docs_send")), this.stop),
    this.said, this.answer,
    make("div", { class: "curl-box" }, make("div", { class: "curl-head" }, make("span", { class: "soft small" }, word("docs_curl_about")),
      copyButton(() => this.curl.textContent, this.curl, ["docs_copy", "docs_copied", "docs_marked"].map((key) => word(key)))), this.curl));
    session.onChange(() => this.showNeed());
    this.showNeed();
  }

  showNeed() { this.lacks.hidden = session.token() !== ""; }

  chooseWay(n) {
    this.body = this.ways[n]?.[1]() ?? null;
    this.bodyBox.replaceChildren(...(this.body?.nodes ?? []).filter(Boolean));
    this.refresh();
  }

  request() {
    const { operation } = this;
    const values = Object.fromEntries(this.parameters.map(({ parameter, read }) => [parameter.name, plain(read())]));
    const headers = Object.fromEntries(this.parameters.filter(({ parameter }) => parameter.in === "header" && values[parameter.name])
      .map(({ parameter }) => [parameter.name, values[parameter.name]]));
    return { method: operation.method, url: location.origin + target(operation, values), headers, token: operation.needsToken,
      streams: operation.responses.some(([, one]) => "text/event-stream" in (one.content ?? {})), body: this.body?.read() ?? null };
  }

  refresh() { this.curl.textContent = curlLine(this.request()); }

  /* A path without one of its parts would be another route. */
  lacksPart() {
    const part = this.parameters.find(({ parameter, read }) => parameter.in === "path" && read() === undefined);
    if (!part) return false;
    showFault(this.node, part.parameter.name, word("docs_is_required", { name: part.parameter.name }));
    part.input.focus();
    return true;
  }

  async send(event) {
    event.preventDefault();
    clearFaults(this.node);
    if (this.lacksPart()) return;
    this.running?.abort();
    const running = this.running = new AbortController();
    this.stop.hidden = false;
    this.answer.hidden = false;
    this.said.textContent = word("docs_sent");
    try {
      const { status, problem } = await show(this.answer, this.request(), this.operation, running.signal);
      this.said.textContent = word("docs_responded", { status });
      const path = openapi.fieldOf(problem?.detail);
      if (path) showFault(this.node, path, problem.detail);
    } catch (fault) {
      if (this.running === running) this.answer.append(make("p", {}, fault.name === "AbortError" ? word("docs_stopped") : word("docs_no_response", { why: fault.message })));
    }
    if (this.running === running) this.stop.hidden = true;
  }
}

export const tryForm = (doc, operation) => new Form(doc, operation).node;
