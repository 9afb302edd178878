/* /docs: a reader of /openapi.json. */
import { byId, lazy, make } from "./dom.mjs";
import * as openapi from "./openapi.mjs";
import { about, contractProse } from "./schema.mjs";
import * as session from "./session.mjs";
import { english, language, text, translate, withNodes } from "./texts_docs.mjs";
import { tryForm } from "./try.mjs";

const chip = (method) => make("span", { class: "method", "data-method": method }, method);

function operationNode(doc, operation) {
  const node = lazy([chip(operation.method),
    make("h3", {}, make("code", {}, operation.path), make("span", { ...english, class: "summary" }, operation.summary))],
  () => make("div", { class: operation.isWebhook ? "operation-body alone" : "operation-body" },
    operation.isWebhook ? null : tryForm(doc, operation), about(doc, operation)), { class: "operation", id: operation.id });
  return node;
}

/* A group of operations in the page and in the navigation; what is put into entries can be searched. */
function group(doc, title, description, operations, entries) {
  const list = make("ul"), heading = `group-${title.replaceAll(" ", "-")}`;
  const link = make("div", {}, make("h2", {}, title), list);
  const section = make("section", { class: "group-of-operations", "aria-labelledby": heading }, make("h2", { id: heading }, title), contractProse(description));
  for (const operation of operations) {
    const item = make("li", {}, make("a", { href: `#${operation.id}`, title: `${operation.method} ${operation.path}` },
      make("span", english, operation.summary), chip(operation.method)));
    const node = operationNode(doc, operation);
    list.append(item);
    section.append(node);
    entries.push({ operation, item, node, groups: [link, section] });
  }
  byId("groups").append(link);
  byId("operations").append(section);
}

function webhooks(doc, all, entries) {
  const own = all.filter((one) => one.isWebhook);
  if (own.length) group(doc, text("docs_webhooks"), text("docs_webhooks_about"), own, entries);
}

/* The older systems' addresses, in one folded group. */
function olderAddresses(all) {
  const rows = openapi.aliases(all).map(({ method, path, operation }) => make("tr", {},
    make("td", {}, chip(method), " ", make("code", {}, path)), make("td", {}, make("a", { ...english, href: `#${operation.id}` }, operation.summary))));
  const table = make("table", {}, make("caption", { class: "visually-hidden" }, text("docs_older_caption")),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, text("docs_older_address")), make("th", { scope: "col" }, text("docs_older_same")))), make("tbody", {}, rows));
  const box = make("details", { id: "older-addresses", class: "operation" }, make("summary", {}, make("h3", {}, text("docs_older"),
    make("span", { class: "summary" }, text("docs_older_about", { n: rows.length })))), make("div", { class: "operation-body alone" }, make("div", {}, table)));
  byId("operations").append(make("section", { class: "group-of-operations" }, box));
  byId("groups").append(make("div", {}, make("ul", {}, make("li", {}, make("a", { href: "#older-addresses" }, text("docs_older"))))));
}

function intro(doc) {
  const [lead, ...others] = contractProse(doc.info.description ?? "");
  document.title = text("docs_title_of", doc.info);
  byId("title").replaceChildren(`${text("docs_heading", doc.info)} `, make("span", { class: "version" }, doc.info.version));
  lead.className = "lead";
  byId("about").replaceChildren(lead, make("details", {}, make("summary", {}, text("docs_rules")), make("div", { class: "stack rules" }, others)));
}

function filter(entries, words) {
  const kept = new Set(entries.filter((entry) => openapi.matches(entry.operation, words)));
  for (const entry of entries) {
    entry.item.hidden = entry.node.hidden = !kept.has(entry);
    for (const one of entry.groups) one.hidden = true;
  }
  for (const entry of kept) for (const one of entry.groups) one.hidden = false;
  byId("found").textContent = !words ? text("docs_found_all", { n: entries.length })
    : text(kept.size === 0 ? "docs_found_none" : "docs_found_some", { kept: kept.size, n: entries.length });
}

function showMenu(isOpen) {
  document.body.classList.toggle("menu-open", isOpen);
  byId("menu").setAttribute("aria-expanded", String(isOpen));
}

function openTarget() {
  const node = byId(decodeURIComponent(location.hash.slice(1)));
  if (!node?.classList.contains("operation")) return;
  node.open = true;
  showMenu(false);
  node.scrollIntoView();
  node.querySelector("summary").focus({ preventScroll: true });
}

function listen() {
  const head = document.querySelector(".site");
  new ResizeObserver(() => document.documentElement.style.setProperty("--head", `${head.offsetHeight}px`)).observe(head);
  window.addEventListener("hashchange", openTarget);
  document.addEventListener("click", (event) => { /* also a link to where the address is already */
    if (event.target.closest("a[href^='#']")?.hash === location.hash) openTarget();
  });
  byId("menu").addEventListener("click", () => showMenu(!document.body.classList.contains("menu-open")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.classList.contains("menu-open")) {
      showMenu(false);
      byId("menu").focus();
    }
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.matches("input, textarea, select")) return;
    event.preventDefault();
    showMenu(true);
    byId("search").focus();
  });
}

function show(doc) {
  const all = openapi.operations(doc), entries = [];
  intro(doc);
  for (const tag of openapi.byTag(doc, all.filter((one) => !one.isWebhook))) group(doc, tag.name, tag.description, tag.operations, entries);
  webhooks(doc, all, entries);
  olderAddresses(all);
  byId("search").addEventListener("input", () => filter(entries, byId("search").value.trim()));
  filter(entries, byId("search").value.trim());
  byId("main").setAttribute("aria-busy", "false");
  openTarget();
}

/* Sentences with links in them. */
function translateSteps() {
  for (const node of document.querySelectorAll("[data-linked]"))
    node.replaceChildren(...withNodes(node.dataset.linked, {
      login: (said) => make("a", { href: "#login" }, said), task: (said) => make("a", { href: "#getTask" }, said) }));
}

document.documentElement.lang = language;
translate(document);
translateSteps();
session.start();
listen();
try {
  show(await (await fetch("/openapi.json")).json());
} catch (fault) {
  byId("operations").append(make("p", { role: "alert" }, text("docs_unreadable", { why: fault.message })));
}
