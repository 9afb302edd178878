/* The texts of /status, /report and /operator: those of all pages, and words of their own, which the first page need not load. */
import en from "./texts_service_en.mjs";
import es from "./texts_service_es.mjs";
import { learn } from "./texts.mjs";

learn({ en, es });

export * from "./texts.mjs";
