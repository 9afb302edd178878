/* /status: the parts of the service, from /api/status, and a ping of its own through queue and workers. */
import { byId, make } from "./dom.mjs";
import { language, text, translate } from "./texts_service.mjs";

const AGAIN_MS = 15_000, PATIENCE_MS = 20_000, PARTS = ["web", "database", "storage", "queue"];
const parts = Object.fromEntries(PARTS.map((name) => [name, { state: "unknown", note: "" }]));

/* A part's row, made once and changed in place. */
function makePart(name) {
  const state = make("span", { class: "state" }), note = make("p", { class: "soft small" });
  const node = make("li", { "data-part": name }, make("p", { class: "name" }, text(`part_of_${name}`), state),
    make("p", { class: "soft small" }, text(`about_${name}`)), note);
  return { node, update() {
    node.dataset.state = parts[name].state;
    state.textContent = text(`status_${parts[name].state}`);
    note.textContent = parts[name].note;
  } };
}
const rows = PARTS.map(makePart);

function summary() {
  const states = PARTS.map((name) => parts[name].state);
  return states.includes("down") ? "down" : states.includes("unknown") ? "unknown" : "up";
}

function draw() {
  for (const row of rows) row.update();
  const state = summary(), words = text(`status_all_${state}`);
  byId("summary").dataset.state = state;
  if (byId("summary").textContent !== words) byId("summary").textContent = words; /* screen readers announce only changes */
}

function drawPings(pings) {
  byId("pings-none").hidden = pings.length > 0;
  byId("pings-table").hidden = pings.length === 0;
  byId("pings").replaceChildren(...pings.map(({ sent_at: sent, ms }) => make("tr", {},
    make("td", {}, new Date(sent).toLocaleTimeString(language)), make("td", {}, ms === null ? text("ping_lost") : `${ms.toLocaleString(language)} ms`))));
}

/* Resolves to the response, or to null where none came. */
async function ask(path) {
  try {
    return await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    return null;
  }
}

async function lookAtParts() {
  const response = await ask("/api/status");
  if (!response?.ok) {
    parts.web = { state: "down", note: response ? text("status_code", { code: response.status }) : text("lost") };
    for (const name of ["database", "storage"]) parts[name] = { state: "unknown", note: "" };
    return;
  }
  const { web, database, storage, pings } = await response.json();
  parts.web = { state: web.state, note: text("status_version", { version: web.version }) };
  parts.database = { state: database.state, note: "" };
  parts.storage = { state: storage.state, note: storage.ms === undefined ? "" : `${storage.ms.toLocaleString(language)} ms` };
  drawPings(pings);
}

async function lookAtQueue() {
  const response = await ask("/converter-health?wait=1");
  if (response?.ok) parts.queue = { state: "up", note: text("status_pong", { ms: (await response.json()).ms.toLocaleString(language) }) };
  else if (response?.status === 503) parts.queue = { state: "down", note: text("status_no_pong") };
  else parts.queue = { state: "unknown", note: "" };
}

async function look() {
  await Promise.all([lookAtQueue().then(draw), lookAtParts().then(draw)]);
  if (parts.web.state === "up") await lookAtParts(); /* with the ping that was just answered */
  draw();
  setTimeout(look, AGAIN_MS);
}

document.documentElement.lang = language;
document.title = text("status_page_title");
translate(document);
byId("parts").append(...rows.map((row) => row.node));
draw();
look();
