/* News of tasks come by the feed while requests are under way: an answer can be older than what was shown meanwhile. */
let count = 0, floor = 0;
const newest = new Map(); /* id → count at its newest news */

export const soFar = () => count;

/* News of this task came. Returns soFar(). */
export function note(id) {
  newest.set(id, ++count);
  return count;
}

/* Another user: what was asked for until now is overtaken. */
export function forget() {
  newest.clear();
  floor = ++count;
}

/* True for what was asked for at `since`, of soFar(), if news came later. */
export const isOvertaken = (id, since) => Math.max(newest.get(id) ?? 0, floor) > since;
