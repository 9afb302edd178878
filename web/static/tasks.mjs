/* The list of tasks, newest first: read page by page, kept up to date by the feed. */
import { answer, call } from "./calls.mjs";
import { byId, make } from "./dom.mjs";
import { explain } from "./forms.mjs";
import * as login from "./login.mjs";
import * as news from "./news.mjs";
import { drawReceipt } from "./receipt.mjs";
import { follow } from "./task_feed.mjs";
import { isFinal, nameOf, taskRow } from "./task_row.mjs";
import { text } from "./texts.mjs";
import * as thumbs from "./thumbs.mjs";

const PAGE = 50, MORE = 500, UNDO_MS = 6000, SAVE_PAUSE_MS = 300;
const rows = new Map(); /* id → {task, view, row} */
const order = []; /* their ids, newest first */
const originals = new Map(); /* id → the file that this page sent */
let say = () => {}, nextPage = null, stopFeed = () => {};

const newView = () => ({ isGoing: false, receipt: null, player: null, form: null, isPlaying: false, isAgain: false, version: 0, fault: null });
const isShownKind = (task) => ["convert", "edit"].includes(task.kind);

function draw(entry) {
  entry.view.version++;
  entry.row.update(entry.task, entry.view);
}

/* Where in order an id is, or belongs. */
function placeOf(id) {
  let low = 0, high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (order[middle] > id) low = middle + 1;
    else high = middle;
  }
  return low;
}

function insert(task) {
  const entry = { task, view: newView(), row: null };
  entry.row = taskRow(task, entry.view, on);
  const at = placeOf(task.id), next = rows.get(order[at]);
  byId("tasks-list").insertBefore(entry.row.node, next?.row.node ?? null);
  order.splice(at, 0, task.id);
  rows.set(task.id, entry);
}

function announce(before, task) {
  if (before.status !== task.status && isFinal(task)) say(text(`said_${task.status}`, { name: nameOf(task) }));
}

/* Takes over what is new of a task, unless it was asked for (since, of news.soFar) before newer news came. */
function show(task, since) {
  if (!isShownKind(task) || news.isOvertaken(task.id, since)) return;
  const entry = rows.get(task.id);
  if (!entry) insert(task);
  else {
    const { task: before, view } = entry;
    entry.task = task;
    if (before.status !== task.status || before.new_format !== task.new_format) Object.assign(view, { receipt: null, player: null, isPlaying: false, fault: null });
    entry.row.update(task, view);
    announce(before, task);
  }
  drawEmpty();
}

/* News of a task of hundreds of outputs is partial. */
async function takeNews(task) {
  const since = news.note(task.id);
  show(task.partial ? await call("GET", `/api/tasks/${task.id}`) : task, since);
}

/* Shows the task that a request changes. */
async function change(method, path, options) {
  const since = news.soFar();
  show((await call(method, path, options)).task, since);
}

/* A task that was just made: if it is shown already, then as it is by now. */
export function showNew(task, file) {
  if (!rows.has(task.id)) show(task, news.soFar());
  if (!file) return;
  originals.set(task.id, file);
  thumbs.draw(task.id, file).then((isDrawn) => { if (isDrawn) rows.get(task.id)?.row.drawPicture(); });
}

function drop(id) {
  news.note(id); /* a list that was asked for before must not bring it back */
  rows.get(id)?.row.node.remove();
  if (rows.delete(id)) order.splice(placeOf(id), 1);
  originals.delete(id);
  thumbs.drop(id);
  drawEmpty();
}

const hasFile = ({ task, view }) => task.status === "processed" && task.outputs.length > 0 && !view.isGoing;
let drawing = 0;

/* Once for all changes of a moment: a page of a list has hundreds. */
function drawEmpty() {
  drawing ||= setTimeout(() => {
    drawing = 0;
    byId("tasks-empty").hidden = rows.size > 0 || !login.token();
    let found = 0;
    for (const entry of rows.values()) if (hasFile(entry) && ++found === 2) break;
    byId("download-all").hidden = found < 2;
  });
}

async function downloadAll() {
  byId("download-all").disabled = true;
  for (const id of [...order]) {
    const entry = rows.get(id);
    if (!entry || !hasFile(entry)) continue;
    await on.download(entry.task);
    await new Promise((resolve) => setTimeout(resolve, SAVE_PAUSE_MS)); /* browsers drop saves that come at once */
  }
  byId("download-all").disabled = false;
}

async function readPage(path) {
  const since = news.soFar();
  const page = await answer("GET", path, {});
  for (const task of page.json) show(task, since);
  return { ids: page.json.map((one) => one.id), next: /<([^>]+)>;\s*rel="next"/.exec(page.link ?? "")?.[1] ?? null };
}

/* Reads the newest page again; of what it covers, tasks that are not in it are gone. */
async function readNewest() {
  const before = [...rows.keys()];
  try {
    const { ids, next } = await readPage(`/api/tasks?max=${PAGE}&order=1`);
    const oldest = next ? Math.min(...ids) : 0;
    for (const id of before) if (id >= oldest && !ids.includes(id)) drop(id);
    if (before.length === 0) setNext(next);
    drawEmpty();
  } catch { /* the feed asks again */ }
}

function setNext(next) {
  nextPage = next;
  byId("more").hidden = !next;
}

async function readMore() {
  if (!nextPage) return;
  const path = nextPage;
  setNext(null);
  try {
    setNext((await readPage(path.replace(/\bmax=\d+/, `max=${MORE}`))).next);
  } catch {
    setNext(path);
  }
}

/* Does something with a task; what goes wrong is said in its row. */
async function attempt(task, work) {
  const entry = rows.get(task.id);
  entry.view.fault = null;
  try {
    await work(entry);
  } catch (failure) {
    entry.view.fault = explain(failure);
  }
  if (rows.has(task.id)) draw(entry);
}

/* The address of a task's file for nodes that send no headers. */
async function fileAddress(task, n) {
  const { token } = await call("POST", "/api/tokens/stream", { body: { purpose: "files", task_id: task.id } });
  return `/api/files/${task.file_id}?n=${n}&token=${encodeURIComponent(token)}`;
}

function save(address, name) {
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

const removals = new Map(); /* id → timer */

function removeNow(id, keepalive = false) {
  clearTimeout(removals.get(id));
  removals.delete(id);
  const entry = rows.get(id);
  return call("DELETE", `/api/tasks/${id}`, { keepalive }).then(() => drop(id), (failure) => {
    if (failure.status === 404 || !rows.has(id)) return drop(id);
    Object.assign(entry.view, { isGoing: false, fault: explain(failure) });
    draw(entry);
  });
}

/* What was deleted and could be undone until now. */
export function finishRemovals() {
  for (const id of [...removals.keys()]) removeNow(id, true);
}

const on = {
  cancel: (task) => attempt(task, () => change("POST", `/api/tasks/${task.id}/cancel`)),

  download: (task) => attempt(task, async () => {
    for (const { n, file_name: name } of task.outputs) save(await fileAddress(task, n), name);
  }),

  receipt: (task) => attempt(task, async ({ view }) => {
    view.receipt = view.receipt ? null : drawReceipt((await call("GET", `/api/tasks/${task.id}`)).receipt);
  }),

  remove(task) {
    const entry = rows.get(task.id);
    Object.assign(entry.view, { isGoing: true, player: null, isPlaying: false });
    draw(entry);
    say(text("said_deleted", { name: nameOf(task) }));
    removals.set(task.id, setTimeout(() => removeNow(task.id), UNDO_MS));
  },

  undo(task) {
    clearTimeout(removals.get(task.id));
    removals.delete(task.id);
    const entry = rows.get(task.id);
    entry.view.isGoing = false;
    draw(entry);
  },
};

/* Adds to what a row can do. */
export const extend = (more) => Object.assign(on, more({ attempt, change, fileAddress, originalOf: (task) => originals.get(task.id), redraw: (task) => draw(rows.get(task.id)) }));

function begin() {
  stopFeed = follow({ onNews: takeNews, onGone: drop, poll: readNewest, onState: (isLive) => { byId("feed").hidden = isLive; } });
  readNewest();
}

function end() {
  stopFeed();
  for (const id of [...removals.keys()]) clearTimeout(removals.get(id));
  removals.clear();
  news.forget();
  rows.clear();
  order.length = 0;
  originals.clear();
  byId("tasks-list").replaceChildren();
  byId("tasks-empty").hidden = byId("download-all").hidden = true;
  setNext(null);
}

/* onSay(text): for screen readers. */
export function start(onSay) {
  say = onSay;
  byId("more").addEventListener("click", readMore);
  byId("download-all").addEventListener("click", downloadAll);
  new IntersectionObserver((found) => { if (found.some((one) => one.isIntersecting)) readMore(); }, { rootMargin: "400px" }).observe(byId("more"));
  addEventListener("pagehide", () => {
    stopFeed(); /* a page that the browser keeps for going back would hold one of its few connections */
    finishRemovals();
  });
  addEventListener("pageshow", (event) => { if (event.persisted && login.token()) begin(); });
  login.onChange((now, before) => {
    if (before?.id !== now?.id) {
      end();
      thumbs.forget();
    } else stopFeed();
    if (now?.token) begin();
  });
  if (login.token()) begin();
}
