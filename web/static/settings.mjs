/* The dialog of the account: password, API keys, sign out everywhere, delete. */
import { call } from "./calls.mjs";
import { byId, copyButton, make } from "./dom.mjs";
import { checkFilled, clearFaults, explain, showFailure } from "./forms.mjs";
import * as login from "./login.mjs";
import { language, text } from "./texts.mjs";

/* A form that does one thing: work(elements) throws what goes wrong. */
function onSubmit(form, faultNames, work) {
  const general = form.querySelector(".fault"), done = form.querySelector(".done");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearFaults(form);
    if (done) done.textContent = "";
    if (!checkFilled(form, [...form.querySelectorAll("[required]")])) return;
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      await work(form.elements);
      form.reset();
      if (done) done.textContent = text("password_done");
    } catch (failure) {
      showFailure(form, failure, general, faultNames);
    } finally {
      button.disabled = false;
    }
  });
}

function keyRow(key) {
  const used = key.last_used_at ? text("key_used", { when: new Date(key.last_used_at).toLocaleDateString(language) }) : text("key_unused");
  const row = make("li", {}, make("div", { class: "row-text" }, make("strong", {}, key.name), make("p", { class: "soft small" }, `${text(key.scopes.length > 1 ? "scope_both" : `scope_${key.scopes[0]}`)} · ${used}`)),
    make("button", { type: "button", class: "quiet", "aria-label": text("revoke_of", { name: key.name }), onclick: revoke }, text("revoke")));
  async function revoke() {
    try {
      await call("DELETE", `/api/keys/${key.id}`);
      row.remove();
      byId("key-form").elements.name.focus();
    } catch (failure) {
      row.append(make("p", { class: "fault", role: "alert" }, explain(failure)));
    }
  }
  return row;
}

async function readKeys() {
  try {
    const keys = await call("GET", "/api/keys");
    byId("keys").replaceChildren(...keys.map(keyRow));
  } catch (failure) {
    byId("keys").replaceChildren(make("li", { class: "fault" }, explain(failure)));
  }
}

async function makeKey({ name, scope }) {
  const key = await call("POST", "/api/keys", { body: { name: name.value, scopes: scope.value.split(" ") } });
  const shown = make("code", {}, key.key);
  byId("new-key").replaceChildren(make("p", { class: "small" }, text("key_once")), make("div", { class: "secret" }, shown, copyButton(() => key.key, shown, [text("copy"), text("copied_key"), text("marked")])));
  await readKeys();
}

async function changePassword({ password, password1 }) {
  const answer = await call("POST", "/api/auth/password", { body: { password: password.value, password1: password1.value, password2: password1.value } });
  const { id, name } = login.user();
  login.take(answer.access_token, id, name);
}

async function deleteAccount({ password }) {
  await call("DELETE", "/api/auth/me", { body: { password: password.value } });
  byId("settings").close();
  login.leave();
}

async function leaveEverywhere() {
  try {
    await call("POST", "/api/auth/logout");
    byId("settings").close();
    login.leave();
  } catch (failure) {
    byId("everywhere-fault").textContent = explain(failure);
    byId("everywhere-fault").hidden = false;
  }
}

export function start() {
  const dialog = byId("settings"), codes = { wrong_password: "password", weak_password: "password1" };
  byId("user").addEventListener("click", () => {
    byId("new-key").replaceChildren();
    for (const form of dialog.querySelectorAll("form")) clearFaults(form);
    dialog.showModal();
    readKeys();
  });
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  byId("everywhere").addEventListener("click", leaveEverywhere);
  onSubmit(byId("password-form"), { codes, names: { password2: "password1" } }, changePassword);
  onSubmit(byId("key-form"), {}, makeKey);
  onSubmit(byId("delete-form"), { codes }, deleteAccount);
  login.onChange((user) => { if (!user?.token && dialog.open) dialog.close(); });
}
