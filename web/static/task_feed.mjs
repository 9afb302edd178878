/* News of all tasks: server-sent events and, while they do not come, the list again and again. */
import { call } from "./calls.mjs";
import * as login from "./login.mjs";

const POLL_MS = 4000, RETRY_MAX_MS = 60_000;

/* onNews(task), onGone(id), poll(): reads the list; onState(true: live). Returns a function that ends it. */
export function follow({ onNews, onGone, poll, onState }) {
  let source = null, isEnded = false, tries = 0, pollTimer = 0, openTimer = 0;

  function live() {
    tries = 0;
    clearInterval(pollTimer);
    pollTimer = 0;
    onState(true);
    poll(); /* what happened before the stream was open */
  }

  function broken() {
    source?.close();
    source = null;
    if (isEnded) return;
    onState(false);
    pollTimer ||= setInterval(poll, POLL_MS);
    openTimer = setTimeout(open, Math.min(RETRY_MAX_MS, 1000 * 2 ** tries++));
  }

  async function open() {
    if (!login.token()) return;
    try {
      const { token } = await call("POST", "/api/tokens/stream", { body: { purpose: "events" } });
      if (isEnded) return;
      source = new EventSource(`/api/events?token=${encodeURIComponent(token)}`);
      source.onopen = live;
      source.onerror = broken;
      for (const name of ["state", "progress", "result"]) source.addEventListener(name, (event) => onNews(JSON.parse(event.data)));
      source.addEventListener("deleted", (event) => onGone(JSON.parse(event.data).id));
    } catch {
      broken();
    }
  }
  open();
  return () => {
    isEnded = true;
    source?.close();
    clearInterval(pollTimer);
    clearTimeout(openTimer);
  };
}
