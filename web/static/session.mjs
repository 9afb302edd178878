/* The token of the page: typed in, or taken over from a response. It is kept in memory only. */
import { byId } from "./dom.mjs";
import { language, text as word } from "./texts_docs.mjs";

const listeners = [];
let note = null; /* what is to be said of the token besides what it tells itself */

export const token = () => byId("token").value.trim();
export const onChange = (listener) => listeners.push(listener);

/* The end of a login token's time, which it contains (RFC 7519); null for an API key. */
function endOf(text) {
  try {
    const claims = JSON.parse(atob(text.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return claims.exp ? new Date(claims.exp * 1000) : null;
  } catch {
    return null;
  }
}

function described(text) {
  if (note) return note;
  if (!text) return ["none", word("docs_token_none")];
  if (text.startsWith("mr_")) return ["good", word("docs_token_key")];
  const end = endOf(text);
  if (!end) return ["good", word("docs_token_used")];
  if (end < new Date()) return ["bad", word("docs_token_expired")];
  return ["good", word("docs_token_until", { when: end.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" }) })];
}

function refresh() {
  const [state, text] = described(token());
  const box = byId("token-state");
  box.dataset.state = state;
  if (box.lastElementChild.textContent !== text) box.lastElementChild.textContent = text; /* announced only if it changes */
  byId("token-login").hidden = Boolean(token()) && state === "good";
  byId("token-forget").hidden = byId("token-show").hidden = !token();
  for (const listener of listeners) listener();
}

function set(text, said = null) {
  byId("token").value = text;
  note = said;
  refresh();
}

/* Uses the token of a login or signup from now on. */
export const take = (text) => set(text);

/* What a response says about the token that was sent with its request. */
export function heard(status, sent, endsTokens) {
  if (sent !== token() || !sent) return;
  if (status === 401) set(sent, ["bad", word("docs_token_refused")]);
  else if (endsTokens && status < 300 && !sent.startsWith("mr_")) set("", ["none", word("docs_token_ended")]);
}

function toggleShown() {
  const isShown = byId("token").type === "password";
  byId("token").type = isShown ? "text" : "password";
  byId("token-show").setAttribute("aria-pressed", String(isShown));
  byId("token-show").textContent = word(isShown ? "docs_token_hide" : "docs_token_show");
}

export function start() {
  byId("token-form").addEventListener("submit", (event) => event.preventDefault());
  byId("token").addEventListener("input", () => set(byId("token").value));
  byId("token-forget").addEventListener("click", () => { set(""); byId("token").focus(); });
  byId("token-show").addEventListener("click", toggleShown);
  setInterval(refresh, 30_000);
  refresh();
}
