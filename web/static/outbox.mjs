/* Files and addresses on their way to becoming tasks. An item's state: new, waiting, sending, lost (no connection, tried again),
 * paused, missing (the file must be picked again), failed. The session storage of the tab remembers them over a reload. */
import { call, Lost } from "./calls.mjs";
import { makeRate } from "./figures.mjs";
import { explain } from "./forms.mjs";
import { orderOf } from "./kinds.mjs";
import * as login from "./login.mjs";
import { text } from "./texts.mjs";
import * as upload from "./upload.mjs";

const KEY = "mediarun.outbox", AT_ONCE = 3, WAIT_MAX_S = 30, FULL_WAIT_S = 3;
const KEPT = ["name", "size", "modified", "url", "kind", "facts", "format", "choices", "session", "key", "sent"];
const GOING = ["waiting", "sending", "lost"];
const EMPTY = { state: "failed", fault: text("empty_file"), isFinal: true };

export const items = [];
let changed = () => {}, created = () => {};

const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");

/* onChange(item or null: the list), onCreated(task, its file). Brings back what a reload interrupted. */
export function start(onChange, onCreated) {
  changed = onChange;
  created = onCreated;
  try {
    for (const kept of JSON.parse(sessionStorage.getItem(KEY)) ?? [])
      items.push({ ...kept, file: null, fault: null, rate: makeRate(), speed: null, ...(kept.size === 0 ? EMPTY : { state: kept.url ? "new" : "missing" }) });
  } catch { /* nothing that can be read was kept */ }
  addEventListener("online", () => { for (const item of items) item.wake?.(); });
}

function keep() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(items.map((item) => Object.fromEntries(KEPT.map((name) => [name, item[name]])))));
  } catch { /* then a reload forgets them */ }
}

function set(item, values) {
  Object.assign(item, values);
  keep();
  changed(item);
}

/* A file that is another than the one that was begun. */
function startOver(item, { size, lastModified }) {
  if (item.session) upload.forget(item.session);
  Object.assign(item, { size, modified: lastModified, session: null, key: newKey(), sent: 0, hasChanged: false });
}

/* Gives a file back to an item that has lost it; returns that item. */
function reunite(file) {
  const named = items.filter((one) => one.state === "missing" && one.name === file.name);
  const same = named.find((one) => one.size === file.size && one.modified === file.lastModified), item = same ?? named.find((one) => one.hasChanged);
  if (!item) return null;
  if (!same) startOver(item, file);
  item.file = file;
  if (item.session || item.sent !== null) go(item);
  else set(item, { state: "new" });
  return item;
}

/* facts: {kind, format, choices} of a new item. Returns the item, which is new or has got its file back. */
export function addFile(file, facts) {
  const back = reunite(file);
  if (back) return back;
  return add({ file, name: file.name, size: file.size, modified: file.lastModified, url: null, ...facts });
}

export function addAddress(url, facts) {
  const name = url.split(/[?#]/)[0].split("/").pop() || url;
  return add({ file: null, name, size: null, modified: null, url, ...facts });
}

function add(facts) {
  const item = { facts: null, choices: {}, session: null, key: newKey(), sent: null, state: "new", fault: null, speed: null, rate: makeRate(), ...facts };
  if (item.size === 0) Object.assign(item, EMPTY);
  items.push(item);
  keep();
  changed(null);
  return item;
}

/* What was found in a file. */
export const show = (item, facts) => set(item, { facts });

/* What a person changes of an item: format, choices. Then it is another task. */
export const edit = (item, values) => set(item, { ...values, key: newKey() });

export function remove(item) {
  item.stop?.abort();
  item.wake?.();
  const at = items.indexOf(item);
  if (at >= 0) items.splice(at, 1);
  if (item.session && item.state !== "done") upload.forget(item.session);
  item.state = "done";
  keep();
  changed(null);
}

export function clear() {
  for (const item of [...items]) remove(item);
}

/* Another user goes on with what a guest has put here: sessions and keys were the guest's. */
export function changeUser() {
  for (const item of items) {
    Object.assign(item, { session: null, key: newKey(), sent: item.sent === null ? null : 0 });
    item.stop?.abort();
    item.wake?.();
  }
  keep();
}

export function go(item) {
  set(item, { state: "waiting", fault: null, sent: item.sent ?? 0 });
  pump();
}

export function pause(item) {
  item.stop?.abort();
  item.wake?.();
  set(item, { state: "paused", speed: null });
}

function pump() {
  for (const item of items) {
    if (items.filter((one) => one.isRunning).length >= AT_ONCE) return;
    if (item.state === "waiting" && !item.isRunning) run(item).finally(pump);
  }
}

/* Waits, unless woken: by the browser when it is online again, or by a person. */
function sleep(item, seconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    item.wake = () => { clearTimeout(timer); resolve(); };
  });
}

/* What to do after a failure: true to try again. */
async function recover(item, failure, tries) {
  if (failure instanceof upload.SessionGone) {
    item.session = null;
    return tries < 3;
  }
  if (failure.status === 401) {
    set(item, { state: "lost", fault: text("needs_login") });
    await login.signedIn();
    return true;
  }
  if (!(failure instanceof Lost) && ![408, 429, 502, 503, 504].includes(failure.status)) return false;
  const isFull = ["quota_tasks", "quota_uploads"].includes(failure.code); /* of other files of this user, which end */
  if (failure.status === 429 && failure.code.startsWith("quota_") && !isFull) return false;
  set(item, { state: "lost", speed: null, fault: text(isFull ? "quota_waiting" : "lost_retrying") });
  await sleep(item, isFull ? FULL_WAIT_S : failure.retrySeconds ?? Math.min(WAIT_MAX_S, 2 ** tries));
  return true;
}

async function run(item) {
  item.isRunning = true;
  for (let tries = 0; GOING.includes(item.state); tries++) {
    item.stop = new AbortController();
    set(item, { state: "sending", fault: null, speed: null, rate: makeRate() });
    try {
      const task = await send(item, item.stop.signal, () => { tries = 0; });
      if (!items.includes(item)) { /* canceled while the task was made */
        await call("DELETE", `/api/tasks/${task.id}`).catch(() => {});
        break;
      }
      item.state = "done";
      remove(item);
      created(task, item.file);
    } catch (failure) {
      if (failure.name === "AbortError" || !GOING.includes(item.state)) continue; /* paused, removed, or going again */
      if (failure instanceof upload.Unreadable) set(item, { state: "missing", file: null, hasChanged: true, fault: text("changed_file") });
      else if (!await recover(item, failure, tries)) {
        if (GOING.includes(item.state)) set(item, { state: "failed", speed: null, fault: explain(failure) });
      }
    }
  }
  item.isRunning = false;
}

async function send(item, signal, moved) {
  const order = orderOf(item.format, item.choices);
  if (item.url) return (await call("POST", "/api/tasks", { body: { url: item.url, ...order }, key: item.key })).task;
  const progress = (sent) => {
    if (signal.aborted) return;
    if (sent > item.sent) moved();
    item.sent = sent;
    item.speed = item.rate.add(sent, performance.now());
    changed(item);
  };
  if (!item.session && item.size <= upload.WHOLE_MAX)
    try {
      return await upload.sendWhole(item.file, order, item.key, progress, signal);
    } catch (failure) {
      if (failure.status !== 413) throw failure;
    }
  if (!item.session) set(item, { session: await upload.begin(item.file) });
  await upload.sendRest(item.session, item.file, progress, signal);
  return (await call("POST", "/api/tasks", { body: { upload_id: item.session.id, ...order }, key: item.key })).task;
}
