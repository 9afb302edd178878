/* The texts of the page, in the first language of the browser that there is a table of. */
import en from "./texts_en.mjs";
import es from "./texts_es.mjs";

const tables = { en, es };
export const language = (navigator.languages ?? []).map((one) => one.slice(0, 2).toLowerCase()).find((one) => one in tables) ?? "en";
const table = { ...tables[language] };

/* Adds words to the table, as {en, es}. */
export const learn = (more) => Object.assign(table, more[language]);

/* The text of a key; {name} in it becomes values.name. */
export const text = (key, values = {}) => table[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

/* The text of key_one or key_many. */
export const counted = (key, n, values = {}) => text(`${key}_${n === 1 ? "one" : "many"}`, { n: n.toLocaleString(language), ...values });

/* The text of a key made of a word of the API, or the fallback where the tables do not know it. */
export const known = (key, fallback, values) => key in table ? text(key, values) : fallback;

/* Words of markup: data-text is the content, data-label what screen readers say, data-hint what an empty field shows. */
export function translate(root) {
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", text(node.dataset.label));
  for (const node of root.querySelectorAll("[data-hint]")) node.placeholder = text(node.dataset.hint);
}
