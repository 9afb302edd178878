/* The page: takes files, sends them, shows what became of them. */
import { lastFor, remember } from "./choices.mjs";
import { byId } from "./dom.mjs";
import { beginGuest } from "./guest.mjs";
import { kindOf, targets } from "./kinds.mjs";
import * as login from "./login.mjs";
import * as dialog from "./login_dialog.mjs";
import { lookInside } from "./look_inside.mjs";
import { clearFaults, explain, faultAt } from "./forms.mjs";
import { optionsFold } from "./options_fold.mjs";
import * as outbox from "./outbox.mjs";
import { outboxRow } from "./outbox_row.mjs";
import * as settings from "./settings.mjs";
import { more } from "./task_more.mjs";
import * as tasks from "./tasks.mjs";
import { counted, language, text, translate } from "./texts.mjs";

const rows = new Map(); /* item → row */

function say(words) {
  byId("say").textContent = words;
}

function drawLogin(user) {
  const isGuest = login.isGuest(user), hasAccount = Boolean(user) && !isGuest;
  for (const id of ["sign-in", "sign-up"]) byId(id).hidden = hasAccount;
  for (const id of ["user", "sign-out"]) byId(id).hidden = !hasAccount;
  byId("tasks").hidden = !user;
  byId("user").textContent = hasAccount ? user.name : "";
  byId("guest").hidden = !isGuest;
  if (isGuest) byId("guest-until").textContent = text("guest_until", { time: new Date(user.guestUntil).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" }) });
}

function drawConvert() {
  const ready = outbox.items.filter((one) => one.state === "new");
  byId("convert").hidden = ready.length === 0;
  byId("convert").textContent = counted("convert", ready.length);
  byId("outbox").hidden = outbox.items.length === 0;
}

function drawOutbox(item) {
  if (item && rows.has(item)) rows.get(item).update();
  else if (!item) {
    for (const [one, row] of rows)
      if (!outbox.items.includes(one)) {
        row.node.remove();
        rows.delete(one);
      }
    for (const one of outbox.items.filter((found) => !rows.has(found))) {
      rows.set(one, outboxRow(one, on, optionsFold));
      byId("outbox-list").append(rows.get(one).node);
    }
  }
  drawConvert();
}

const on = {
  edit: outbox.edit, pause: outbox.pause, go: outbox.go,
  remove(item) {
    outbox.remove(item);
    if (document.activeElement === document.body) byId("files").focus();
  },
  pick: () => byId("files").click(),
};

/* What a new item is and becomes, by its kind and by what was chosen last. */
function factsFor(kind) {
  const { format, choices } = lastFor(kind);
  const formats = targets(kind).flatMap(([, names]) => names);
  return { kind, format: formats.includes(format) ? format : formats[0], choices };
}

async function addFile(file) {
  const kind = kindOf(file.name, file.type);
  const item = outbox.addFile(file, factsFor(kind));
  if (item.facts || item.state !== "new") return;
  const facts = await lookInside(file, kind);
  if (!facts || !outbox.items.includes(item)) return;
  if (!kind && item.state === "new") outbox.edit(item, factsFor(facts.width ? "video" : "audio"));
  outbox.show(item, facts);
}

function addFiles(list) {
  const files = [...list];
  for (const file of files) addFile(file);
  if (files.length) say(counted("said_added", files.length));
}

function addLink(event) {
  event.preventDefault();
  const form = event.target, input = form.elements.url, given = input.value.trim();
  clearFaults(form);
  let address;
  try {
    address = new URL(given.includes("://") ? given : ["https", given].join("://"));
  } catch { /* said below */ }
  if (!address || /\s/.test(given) || !/[.:]/.test(address.host) || !/^https?$/.test(address.protocol.slice(0, -1))) {
    faultAt(input, text("link_wrong"));
    input.focus();
    return;
  }
  const kind = kindOf(address.pathname);
  outbox.addAddress(address.href, factsFor(kind));
  form.reset();
  say(counted("said_added", 1));
}

/* Whoever has an account is asked to sign in; others begin as guests, where the server has them. */
async function enter() {
  if (login.user()) return dialog.open(false, text("login_to_convert"));
  byId("convert").disabled = true;
  try {
    await beginGuest();
  } catch (failure) {
    if (failure.code === "guests_off") dialog.open(true, text("login_to_convert"));
    else if (failure.code === "too_many_guests") dialog.open(true, explain(failure));
    else {
      byId("convert-fault").textContent = explain(failure);
      byId("convert-fault").hidden = false;
    }
  } finally {
    byId("convert").disabled = false;
  }
}

async function convert() {
  byId("convert-fault").hidden = true;
  if (!login.token()) await enter();
  if (!login.token()) return;
  for (const item of outbox.items.filter((one) => one.state === "new")) {
    remember(item.kind, item.format, item.choices);
    outbox.go(item);
  }
}

function watchDrops() {
  let depth = 0;
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    byId("drop").classList.toggle("over", depth > 0);
  };
  addEventListener("dragenter", (event) => { if (hasFiles(event)) mark(1); });
  addEventListener("dragleave", (event) => { if (hasFiles(event)) mark(-1); });
  addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    addFiles(event.dataTransfer.files);
  });
}

function watchLogin() {
  login.onChange((now, before) => {
    if (before && before.id !== now?.id) {
      if (login.isGuest(before)) outbox.changeUser();
      else outbox.clear();
    }
    drawLogin(now);
    if (login.isGuest(before) && !now) dialog.open(true, text("guest_ended"));
    if (before?.token && now && !now.token) dialog.open(false, text("login_ended"));
  });
  byId("sign-out").addEventListener("click", () => {
    outbox.clear();
    tasks.finishRemovals();
    login.leave();
    byId("sign-in").focus();
  });
  if (login.user() && !login.token()) dialog.open(false, text("login_ended"));
}

document.documentElement.lang = language;
document.title = text("page_title");
translate(document);
drawLogin(login.user());
dialog.start();
outbox.start(drawOutbox, tasks.showNew);
drawOutbox(null);
tasks.extend(more);
tasks.start(say);
settings.start();
watchLogin();
watchDrops();
byId("convert").addEventListener("click", convert);
byId("guest-keep").addEventListener("click", () => dialog.open(true));
byId("link-form").addEventListener("submit", addLink);
byId("files").addEventListener("change", (event) => {
  addFiles(event.target.files);
  event.target.value = "";
});
