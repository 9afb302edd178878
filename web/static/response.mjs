/* Sends a request and shows its response: status, headers, body. Tokens in it are taken over. */
import { copyButton, lazy, make } from "./dom.mjs";
import * as session from "./session.mjs";
import { text as word, withNodes } from "./texts_docs.mjs";

const ENDS_TOKENS = ["deleteUser", "logOutEverywhere"]; /* operations after which login tokens are worth nothing */

function sentBody(body) {
  if (!body) return {};
  if (!body.fields) return { body: body.text, headers: { "Content-Type": body.type } };
  const form = body.type === "multipart/form-data" ? new FormData() : new URLSearchParams();
  for (const { name, value, isFile, file } of body.fields)
    if (!isFile) form.append(name, value);
    else if (file) form.append(name, file);
  return { body: form };
}

const fileName = (response) =>
  /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "download";

function parsed(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}

function bytesText(size) {
  if (size < 1024) return `${size} B`;
  return size < 1 << 20 ? `${(size / 1024).toFixed(1)} KiB` : `${(size / (1 << 20)).toFixed(1)} MiB`;
}

function statusLine(response, ms) {
  return make("p", { class: "answer-head" }, make("span", { class: "status", "data-class": String(response.status)[0] }, `${response.status} ${response.statusText}`),
    make("span", { class: "soft small" }, `${ms} ms`));
}

const headersNode = (response) => lazy(word("docs_headers_n", { n: [...response.headers].length }), () => make("dl", { class: "headers" },
  [...response.headers].map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))), { open: true, class: "headers-box" });

/* Tokens and keys in a response; null if there are none. */
function takeOver(value) {
  if (typeof value?.access_token === "string") {
    session.take(value.access_token);
    return make("p", { class: "taken" }, word("docs_token_taken"));
  }
  if (typeof value?.key !== "string" || !value.key.startsWith("mr_")) return null;
  const use = make("button", { type: "button", onclick: () => { session.take(value.key); use.textContent = word("docs_key_used"); } }, word("docs_key_use"));
  return make("p", { class: "taken" }, word("docs_key_once"), use);
}

async function textNodes(response, type) {
  const text = await response.text();
  const value = type.includes("json") ? parsed(text) : undefined;
  const shown = make("pre", { tabindex: "0", "aria-label": word("docs_body") }, value === undefined ? text : JSON.stringify(value, null, 2));
  const head = make("div", { class: "curl-head" }, make("span", { class: "soft small" }, word("docs_body_size", { size: bytesText(new Blob([text]).size) })),
    copyButton(() => shown.textContent, shown, ["docs_copy", "docs_copied", "docs_marked"].map((key) => word(key))));
  return { value, nodes: [takeOver(value), text ? head : null, text ? shown : null] };
}

/* A file: played or shown where the browser can, and saved. */
async function fileNodes(response, type) {
  const blob = await response.blob();
  if (!blob.size) return [];
  const address = URL.createObjectURL(blob);
  const kind = { audio: "audio", video: "video", image: "img" }[type.split("/")[0]];
  return [kind ? make(kind, { src: address, controls: kind !== "img", alt: kind === "img" ? word("docs_picture") : null }) : null,
    make("p", {}, word("docs_file", { size: bytesText(blob.size), type: type || word("docs_no_type") }), make("a", { href: address, download: fileName(response) }, word("docs_save")))];
}

async function streamInto(box, response) {
  const shown = make("pre", { tabindex: "0", "aria-label": word("docs_events") });
  box.append(shown);
  const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
    shown.append(piece.value);
    shown.scrollTop = shown.scrollHeight;
  }
}

/* Shows the response in box. Returns {status, problem}; problem: the error that it describes, or null. */
export async function show(box, request, operation, signal) {
  const { body, headers = {} } = sentBody(request.body);
  const token = request.token ? session.token() : "";
  const began = performance.now();
  box.replaceChildren(make("p", { class: "soft" }, word("docs_waiting")));
  const response = await fetch(request.url, { method: request.method, body, signal, redirect: "manual", cache: "no-store", credentials: "omit",
    headers: { ...headers, ...request.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) } });
  if (response.type === "opaqueredirect") {
    box.replaceChildren(make("p", {}, withNodes("docs_redirect", { curl: (said) => make("code", {}, said) })));
    return { status: word("docs_redirected"), problem: null };
  }
  session.heard(response.status, token, ENDS_TOKENS.includes(operation.id));
  const type = response.headers.get("Content-Type") ?? "";
  const head = [statusLine(response, Math.round(performance.now() - began))];
  const done = { status: response.status, problem: null };
  if (type.startsWith("text/event-stream")) {
    box.replaceChildren(...head, headersNode(response));
    await streamInto(box, response);
  } else if (/json|javascript|svg|^text\//.test(type) || response.status === 204) {
    const { value, nodes } = await textNodes(response, type);
    done.problem = response.status >= 400 ? value : null;
    box.replaceChildren(...head, ...nodes.filter(Boolean), headersNode(response));
  } else
    box.replaceChildren(...head, ...(await fileNodes(response, type)).filter(Boolean), headersNode(response));
  return done;
}
