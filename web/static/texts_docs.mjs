/* The texts of /docs: those of all pages, and words of its own. The contract that it shows is in English. */
import en from "./texts_docs_en.mjs";
import es from "./texts_docs_es.mjs";
import { language, learn, text } from "./texts.mjs";

learn({ en, es });

/* Attributes of what shows text of the contract. */
export const english = language === "en" ? {} : { lang: "en" };

/* The words of openapi.mjs. */
export const words = Object.fromEntries(["or", "and", "array_of", "anything", "nothing", "with", "one_of", "to", "or_more", "up_to", "characters", "items",
  "pattern", "by_default"].map((key) => [key, text(`word_${key}`)]));

/* The pieces of a text with <name>words</name> in it: makers[name](words) makes a node of each. */
export const withNodes = (key, makers) => text(key).split(/<(\w+)>(.*?)<\/\1>/)
  .reduce((pieces, piece, n, all) => n % 3 === 1 ? pieces : [...pieces, n % 3 === 2 ? makers[all[n - 1]](piece) : piece], []);

export * from "./texts.mjs";
