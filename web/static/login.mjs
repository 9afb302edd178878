/* Who is signed in. The token outlives a reload and is shared by the tabs of this browser; the API lets it live for an hour. */

const KEY = "mediarun.login";
const listeners = [];
let current = read();

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? null;
  } catch {
    return null; /* storage is turned off, or holds something else */
  }
}

function change(next, store = true) {
  const before = current;
  current = next;
  try {
    if (store && next) localStorage.setItem(KEY, JSON.stringify(next));
    else if (store) localStorage.removeItem(KEY);
  } catch { /* then it lasts as long as the page */ }
  for (const listener of listeners) listener(current, before);
}

export const user = () => current;
export const token = () => current?.token ?? null;

/* listener(user or null, the one before) */
export const onChange = (listener) => listeners.push(listener);

/* id: which user it is; name: as shown; guestUntil: of a guest, when it ends (in ms since 1970). */
export const take = (tokenText, id, name, guestUntil = null) => change({ token: tokenText, id, name, guestUntil });
export const isGuest = (user = current) => Boolean(user?.guestUntil);
export const leave = () => change(null);

export function refused(tokenText) {
  if (tokenText === token()) change(isGuest() ? null : { ...current, token: null }); /* nobody can sign in as a guest */
}

/* Resolves once somebody is signed in. */
export function signedIn() {
  if (token()) return Promise.resolve();
  return new Promise((resolve) => {
    const listener = (one) => {
      if (!one?.token) return;
      listeners.splice(listeners.indexOf(listener), 1);
      resolve();
    };
    listeners.push(listener);
  });
}

addEventListener("storage", (event) => {
  if (event.key === KEY || event.key === null) change(read(), false);
});
