/* Sends files: a small one with its task in one request, others by a resumable session of Cloud Storage. XMLHttpRequest, since
 * fetch does not say how far a request has got. */
import { call, judge, Lost } from "./calls.mjs";
import * as login from "./login.mjs";

export const WHOLE_MAX = 8_000_000; /* bytes; far below the 32 MiB of a request to Cloud Run */
const CHUNK = 8 << 20; /* a multiple of any chunk_multiple */
const STALLED_MS = 60_000; /* without a byte: the connection is lost */

export class Unreadable extends Error {} /* the file has changed, moved, or is gone */
export class SessionGone extends Error {}

/* onProgress(bytes of the body sent). Returns {status, text, header(name)}; Lost: no answer; AbortError: by the signal. */
function request(method, url, headers, body, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let watch = 0, isStalled = false;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => { isStalled = true; xhr.abort(); }, STALLED_MS);
    };
    const stop = () => xhr.abort();
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => { alive(); onProgress(event.loaded); };
    xhr.onload = () => resolve({ status: xhr.status, text: xhr.responseText, header: (name) => xhr.getResponseHeader(name) });
    xhr.onerror = () => reject(new Lost("no answer came"));
    xhr.onabort = () => reject(isStalled ? new Lost("nothing was sent") : new DOMException("stopped", "AbortError"));
    xhr.onloadend = () => { clearTimeout(watch); signal.removeEventListener("abort", stop); };
    signal.addEventListener("abort", stop);
    if (signal.aborted) return reject(new DOMException("stopped", "AbortError"));
    alive();
    xhr.send(body);
  });
}

async function checkReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Unreadable(file.name);
  }
}

/* A file of at most WHOLE_MAX with its task; fields: what else the form has. Returns the task. */
export async function sendWhole(file, fields, key, onProgress, signal) {
  await checkReadable(file);
  const form = new FormData(), token = login.token();
  for (const [name, value] of Object.entries(fields)) form.append(name, typeof value === "object" ? JSON.stringify(value) : value);
  form.append("fileName", file);
  const answer = await request("POST", "/api/tasks", { Authorization: `Bearer ${token}`, "Idempotency-Key": key }, form,
    (sent) => onProgress(Math.min(sent, file.size)), signal);
  return judge(answer.status, answer.text, answer.header("Retry-After"), token).task;
}

/* Begins a session: {id, address}. */
export async function begin(file) {
  const answer = await call("POST", "/api/uploads", { body: { fileName: file.name, size: file.size, ...(/^\S+\/\S+$/.test(file.type) ? { contentType: file.type } : {}) } });
  return { id: answer.upload_id, address: answer.upload_url };
}

/* How many bytes a session has; null: all. */
function storedOf(answer) {
  if (answer.status === 200 || answer.status === 201) return null;
  if (answer.status === 308) return Number(/-(\d+)$/.exec(answer.header("Range") ?? "")?.[1] ?? -1) + 1;
  if (answer.status === 404 || answer.status === 410) throw new SessionGone("the session has ended");
  if (answer.status >= 500 || answer.status === 429 || answer.status === 408) throw new Lost(`storage responded with ${answer.status}`);
  throw new Error(`storage responded with ${answer.status}`);
}

/* Sends what the session does not have yet. onProgress(bytes of the file that are there). */
export async function sendRest(session, file, onProgress, signal) {
  await checkReadable(file);
  const put = (range, body, progress) => request("PUT", session.address, { "Content-Range": range }, body, progress, signal);
  let stored = storedOf(await put(`bytes */${file.size}`, null, () => {}));
  while (stored !== null) {
    const first = stored, end = Math.min(file.size, first + CHUNK);
    onProgress(first);
    stored = storedOf(await put(`bytes ${first}-${end - 1}/${file.size}`, file.slice(first, end), (sent) => onProgress(first + sent)));
  }
  onProgress(file.size);
}

/* Frees what a session that is not wanted any more has; the server does it by itself after a day. */
export const forget = (session) => call("DELETE", `/api/uploads/${session.id}`).catch(() => {});
