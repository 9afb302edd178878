/* /operator: what operators look up and do, by the routes of /api/operator. Only the leases are read again by themselves: all else
   that is looked up is logged. */
import { answer, call } from "./calls.mjs";
import { byId, make } from "./dom.mjs";
import { checkFilled, clearFaults, explain, showFailure } from "./forms.mjs";
import * as login from "./login.mjs";
import { failureRow, letterRow, taskRow, usageNodes } from "./operator_rows.mjs";
import { language, text, translate } from "./texts_service.mjs";

const AGAIN_MS = 5000, PAGE = 20, STUCK = 100; /* stuck tasks have no next page */
let code = null; /* which failed tasks are shown; null: all */
let round = 0; /* of the leases: an older one ends */

/* A list with its rows, what is wrong, and a button for the next page. */
function makeList(name, path, rowOf) {
  const section = document.querySelector(`[data-list=${name}]`), items = make("ul", { class: "items" });
  const none = make("p", { class: "soft", hidden: true }, text("operator_none")), fault = make("p", { class: "fault", role: "alert", hidden: true });
  const more = make("button", { type: "button", class: "quiet", hidden: true, "aria-label": text("operator_more_of", { list: section.querySelector("h2").textContent }), onclick: () => readPage(next) }, text("operator_more"));
  let next = null, serial = 0;
  section.append(items, none, fault, more);

  /* Adds a page, or starts over where it is the first one. */
  async function readPage(address, isFirst = false) {
    const mine = ++serial;
    more.disabled = true;
    try {
      const { json, link } = await answer("GET", address, {});
      if (mine !== serial) return;
      if (isFirst) items.replaceChildren();
      items.append(...json.map(rowOf));
      next = /<([^>]+)>;\s*rel="next"/.exec(link ?? "")?.[1] ?? null;
      fault.hidden = true;
      none.hidden = items.children.length > 0 || next !== null;
    } catch (failure) {
      if (mine !== serial) return;
      if (isFirst) { /* rows of before are of another code or time */
        items.replaceChildren();
        next = null;
        none.hidden = true;
      }
      fault.textContent = explain(failure);
      fault.hidden = false;
    }
    more.hidden = next === null;
    more.disabled = false;
  }
  return () => readPage(path(), true);
}

function showFailed(chosen) {
  code = chosen;
  byId("failed-title").textContent = code ? text("operator_failed_of", { code }) : text("operator_failed");
  byId("all-codes").hidden = code === null;
  byId("failed-title").focus();
  return lists.failed();
}

function showLeases({ live, expired, lanes }) {
  byId("leases-idle").hidden = live > 0;
  const figures = [[text("operator_live"), live, false], [text("operator_expired"), expired, expired > 0],
    ...lanes.map((one) => [text(`lane_${one.lane}`), one.live, one.expired > 0])];
  byId("leases").replaceChildren(...figures.map(([name, value, isBad]) =>
    make("div", { class: isBad ? "bad" : null }, make("dt", {}, name), make("dd", {}, value.toLocaleString(language)))));
}

function showApart(why) {
  byId("desk").hidden = true;
  byId("apart").hidden = false;
  if (byId("apart-why").textContent !== why) byId("apart-why").textContent = why; /* screen readers announce only changes */
}

function readAll() {
  return Promise.all(Object.values(lists).map((read) => read()));
}

/* The leases now and every few seconds; the lists when somebody begins. */
async function look(mine) {
  if (mine !== round) return;
  byId("leases-fault").hidden = true;
  try {
    showLeases(await call("GET", "/api/operator/leases"));
    if (mine !== round) return;
    byId("apart").hidden = true;
    if (byId("desk").hidden) {
      byId("desk").hidden = false;
      readAll();
    }
  } catch (failure) {
    if (mine !== round || failure.status === 401) return; /* who is signed in has changed: begin() has said so */
    if (failure.status === 403) {
      showApart(text("operator_denied", { name: login.user()?.name ?? "" }));
      return;
    }
    if (byId("desk").hidden) showApart(explain(failure));
    byId("leases-fault").textContent = explain(failure);
    byId("leases-fault").hidden = false;
  }
  setTimeout(() => look(mine), AGAIN_MS);
}

function begin() {
  round++;
  byId("usage").replaceChildren();
  if (login.token()) look(round);
  else showApart(text("operator_sign_in"));
}

async function showUsage(event) {
  event.preventDefault();
  const form = event.target, general = form.querySelector("p.fault");
  clearFaults(form);
  byId("usage").replaceChildren();
  if (!checkFilled(form, [form.elements.name])) return;
  try {
    byId("usage").append(...usageNodes(await call("GET", `/api/operator/users/${encodeURIComponent(form.elements.name.value.trim())}/usage`)));
  } catch (failure) {
    showFailure(form, failure, general);
  }
}

document.documentElement.lang = language;
document.title = text("operator_page_title");
translate(document);
const lists = {
  stuck: makeList("stuck", () => `/api/operator/stuck?max=${STUCK}`, taskRow),
  dead: makeList("dead", () => `/api/operator/dead-letters?max=${PAGE}`, letterRow),
  failures: makeList("failures", () => `/api/operator/failures?hours=${byId("hours").value}`, (one) => failureRow(one, showFailed)),
  failed: makeList("failed", () => `/api/operator/failed?max=${PAGE}${code ? `&code=${encodeURIComponent(code)}` : ""}`, taskRow),
};
byId("again").addEventListener("click", readAll);
byId("hours").addEventListener("change", lists.failures);
byId("all-codes").addEventListener("click", () => showFailed(null));
byId("usage-form").addEventListener("submit", showUsage);
login.onChange(begin);
begin();
