/* Sends a request and shows its response: status, headers, body. Tokens in it are taken over. */
import { copyButton, lazy, make } from "./dom.mjs";
import * as session from "./session.mjs";

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

const headersNode = (response) => lazy(`Headers (${[...response.headers].length})`, () => make("dl", { class: "headers" },
  [...response.headers].map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))), { open: true, class: "headers-box" });

/* Tokens and keys in a response; null if there are none. */
function takeOver(value) {
  if (typeof value?.access_token === "string") {
    session.take(value.access_token);
    return make("p", { class: "taken" }, "This token is now sent with the requests of this page; it stands at the top.");
  }
  if (typeof value?.key !== "string" || !value.key.startsWith("mr_")) return null;
  const use = make("button", { type: "button", onclick: () => { session.take(value.key); use.textContent = "In use"; } }, "Use this key here");
  return make("p", { class: "taken" }, "The key is shown this once. ", use);
}

async function textNodes(response, type) {
  const text = await response.text();
  const value = type.includes("json") ? parsed(text) : undefined;
  const shown = make("pre", { tabindex: "0", "aria-label": "Body" }, value === undefined ? text : JSON.stringify(value, null, 2));
  const head = make("div", { class: "curl-head" }, make("span", { class: "soft small" }, `Body, ${bytesText(new Blob([text]).size)}`),
    copyButton(() => shown.textContent, shown));
  return { value, nodes: [takeOver(value), text ? head : null, text ? shown : null] };
}

/* A file: played or shown where the browser can, and saved. */
async function fileNodes(response, type) {
  const blob = await response.blob();
  if (!blob.size) return [];
  const address = URL.createObjectURL(blob);
  const kind = { audio: "audio", video: "video", image: "img" }[type.split("/")[0]];
  return [kind ? make(kind, { src: address, controls: kind !== "img", alt: kind === "img" ? "The picture of the response" : null }) : null,
    make("p", {}, `${bytesText(blob.size)} of ${type || "no type"}. `, make("a", { href: address, download: fileName(response) }, "Save"))];
}

async function streamInto(box, response) {
  const shown = make("pre", { tabindex: "0", "aria-label": "Events" });
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
  box.replaceChildren(make("p", { class: "soft" }, "Sent. Waiting for the response…"));
  const response = await fetch(request.url, { method: request.method, body, signal, redirect: "manual", cache: "no-store", credentials: "omit",
    headers: { ...headers, ...request.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) } });
  if (response.type === "opaqueredirect") {
    box.replaceChildren(make("p", {}, "The response is a redirect, which this page does not follow. ", make("code", {}, "curl -L"), " does."));
    return { status: "a redirect", problem: null };
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
