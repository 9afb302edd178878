/* The dialog that signs in and signs up. */
import { call } from "./calls.mjs";
import { byId } from "./dom.mjs";
import { checkFilled, clearFaults, faultAt, showFailure } from "./forms.mjs";
import * as login from "./login.mjs";
import { text } from "./texts.mjs";

let isNew = false; /* an account is made */

function draw() {
  const form = byId("login-form");
  byId("login-title").textContent = form.querySelector("[type=submit]").textContent = text(isNew ? "sign_up" : "sign_in");
  byId("login-other-text").textContent = text(isNew ? "have_account" : "no_account");
  byId("login-other").textContent = text(isNew ? "sign_in" : "sign_up");
  for (const one of form.querySelectorAll("[data-only=up]")) one.hidden = !isNew;
  for (const one of form.querySelectorAll("[data-only=in]")) one.hidden = isNew;
  form.elements.password.autocomplete = isNew ? "new-password" : "current-password";
  clearFaults(form);
}

function note(words) {
  byId("login-note").hidden = !words;
  byId("login-note").textContent = words ?? "";
}

/* why: why it is asked for, or null. */
export function open(up, why = null) {
  const dialog = byId("login");
  isNew = up;
  draw();
  note(why ?? (login.isGuest() ? text(isNew ? "guest_sign_up" : "guest_sign_in") : null));
  const { username } = byId("login-form").elements;
  if (login.user() && !login.isGuest() && !username.value) username.value = login.user().name;
  if (!dialog.open) dialog.showModal();
  (username.value ? byId("login-form").elements.password : username).focus();
}

async function enter({ username, email, password }) {
  const body = isNew ? { username, email, password1: password, password2: password }
    : username.includes("@") ? { email: username, password } : { username, password };
  const path = !isNew ? "/api/auth/login" : login.isGuest() ? "/api/auth/guest/account" : "/api/auth/signup";
  const { access_token: token } = await call("POST", path, { body });
  const me = await call("GET", "/api/auth/me", { headers: { Authorization: `Bearer ${token}` } });
  login.take(token, me.id, me.username);
}

async function submit(event) {
  event.preventDefault();
  const form = byId("login-form"), { username, email, password } = form.elements, button = form.querySelector("[type=submit]");
  clearFaults(form);
  if (!checkFilled(form, isNew ? [username, email, password] : [username, password])) return;
  button.disabled = true;
  try {
    await enter({ username: username.value.trim(), email: email.value.trim(), password: password.value });
    form.reset();
    byId("login").close();
  } catch (failure) {
    showFailure(form, failure, byId("login-fault"), {
      names: { password1: "password", password2: "password" },
      codes: { username_taken: "username", email_taken: "email", weak_password: "password", unauthenticated: "password" } });
  } finally {
    button.disabled = false;
  }
}

/* Asks for a mail with a link for a new password. */
async function forgot() {
  const form = byId("login-form"), { username } = form.elements, email = username.value.trim();
  clearFaults(form);
  if (!/.@.+\../.test(email)) {
    faultAt(username, text("forgot_address"));
    username.focus();
    return;
  }
  try {
    await call("POST", "/api/auth/reset", { body: { email } });
    note(text("forgot_sent"));
  } catch (failure) {
    showFailure(form, failure, byId("login-fault"), { names: { email: "username" } });
  }
}

export function start() {
  byId("login-form").addEventListener("submit", submit);
  byId("login-other").addEventListener("click", () => { open(!isNew); });
  byId("login-forgot").addEventListener("click", forgot);
  byId("login").querySelector(".close").addEventListener("click", () => byId("login").close());
  byId("sign-in").addEventListener("click", () => open(false));
  byId("sign-up").addEventListener("click", () => open(true));
}
