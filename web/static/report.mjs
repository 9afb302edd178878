/* /report: the newest capacity test, from /benchmark/conversion/data, which is 404 where the test is turned off. */
import { draw } from "./chart.mjs";
import { byId, copyButton, make, prose } from "./dom.mjs";
import { language, text, translate } from "./texts_service.mjs";

const BUSY_MS = 3000, IDLE_MS = 15_000;
let shown = null; /* {rows, totals} of the last answer */

function showPart(name) {
  for (const id of ["off", "empty", "report"]) byId(id).hidden = id !== name;
}

function say(words, state) {
  const box = byId("state");
  if (box.textContent !== words) box.textContent = words; /* screen readers announce only changes */
  box.dataset.state = state;
}

function summarise(rows, totals) {
  const entries = [["total", totals.total], ["ready", totals.processed], ["failed", totals.failed], ["waiting", totals.unfinished],
    ["most", Math.max(0, ...rows.map((row) => row.count))]];
  byId("totals").replaceChildren(...entries.map(([name, value]) =>
    make("div", { class: name === "failed" && value > 0 ? "bad" : null }, make("dt", {}, text(`report_${name}`)), make("dd", {}, value.toLocaleString(language)))));
  byId("progress").hidden = totals.unfinished === 0;
  byId("progress").max = Math.max(1, totals.total);
  byId("progress").value = totals.total - totals.unfinished;
}

function tabulate(rows) {
  let sum = 0;
  byId("rows").replaceChildren(...rows.map((row) =>
    make("tr", {}, make("td", {}, String(row.min)), make("td", {}, String(row.count)), make("td", {}, String(sum += row.count)))));
}

function drawAgain() {
  if (shown?.rows.length) draw(byId("chart"), shown.rows, shown.totals.unfinished > 0);
}

function show(rows, totals) {
  shown = { rows, totals };
  showPart(totals.total === 0 ? "empty" : "report");
  summarise(rows, totals);
  tabulate(rows);
  byId("figures").hidden = rows.length === 0;
  byId("none-ready").hidden = rows.length > 0;
  drawAgain();
  if (totals.total === 0) say(text("report_state_none"), "none");
  else if (totals.unfinished > 0) say(text("report_state_running"), "good");
  else if (totals.failed > 0) say(text("report_state_ended_failed", { n: totals.failed.toLocaleString(language) }), "bad");
  else say(text("report_state_ended"), "none");
}

/* Returns after how many milliseconds the figures are to be read again. */
async function refresh() {
  const response = await fetch("/benchmark/conversion/data", { cache: "no-store" });
  if (response.status === 404) {
    showPart("off");
    say(text("report_state_off"), "none");
    return IDLE_MS;
  }
  if (!response.ok) throw new Error(text("status_code", { code: response.status }));
  const totals = JSON.parse(response.headers.get("Benchmark-Totals"));
  show(await response.json(), totals);
  return totals.unfinished > 0 ? BUSY_MS : IDLE_MS;
}

async function refreshForever() {
  let wait = IDLE_MS;
  try {
    wait = await refresh();
  } catch (fault) {
    say(fault instanceof TypeError ? text("lost_retrying") : text("report_unreadable", { why: fault.message }), "bad"); /* fetch's own are TypeErrors */
  }
  setTimeout(refreshForever, wait);
}

document.documentElement.lang = language;
document.title = text("report_page_title");
translate(document);
for (const node of document.querySelectorAll("[data-prose]")) node.append(...prose(text(node.dataset.prose)));
for (const [id, line] of [["command", `curl ${location.origin}/benchmark/conversion/start -F fileName=@song.mp3 -F newFormat=wav -F taskNumber=400`],
  ["turn-on", "ENABLE_BENCHMARK=1 infra/local/run.sh"]]) {
  byId(id).textContent = line;
  byId(id).after(copyButton(() => line, byId(id), [text("copy"), text("copied_key"), text("marked")]));
}
new ResizeObserver(drawAgain).observe(byId("chart").parentNode);
refreshForever();
