/* /docs: a reader of /openapi.json. */
import { byId, lazy, make, prose } from "./dom.mjs";
import * as openapi from "./openapi.mjs";
import { about } from "./schema.mjs";
import * as session from "./session.mjs";
import { tryForm } from "./try.mjs";

const chip = (method) => make("span", { class: "method", "data-method": method }, method);

function operationNode(doc, operation) {
  const node = lazy([chip(operation.method),
    make("h3", {}, make("code", {}, operation.path), make("span", { class: "summary" }, operation.summary))],
  () => make("div", { class: operation.isWebhook ? "operation-body alone" : "operation-body" },
    operation.isWebhook ? null : tryForm(doc, operation), about(doc, operation)), { class: "operation", id: operation.id });
  return node;
}

/* A group of operations in the page and in the navigation; what is put into entries can be searched. */
function group(doc, title, description, operations, entries) {
  const list = make("ul"), heading = `group-${title.replaceAll(" ", "-")}`;
  const link = make("div", {}, make("h2", {}, title), list);
  const section = make("section", { class: "group-of-operations", "aria-labelledby": heading }, make("h2", { id: heading }, title), prose(description));
  for (const operation of operations) {
    const item = make("li", {}, make("a", { href: `#${operation.id}`, title: `${operation.method} ${operation.path}` },
      make("span", {}, operation.summary), chip(operation.method)));
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
  if (own.length) group(doc, "webhooks", "These requests go the other way: mediarun sends them to you.", own, entries);
}

/* The older systems' addresses, in one folded group. */
function olderAddresses(all) {
  const rows = openapi.aliases(all).map(({ method, path, operation }) => make("tr", {},
    make("td", {}, chip(method), " ", make("code", {}, path)), make("td", {}, make("a", { href: `#${operation.id}` }, operation.summary))));
  const table = make("table", {}, make("caption", { class: "visually-hidden" }, "Addresses of the older systems and the operations that they lead to"),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Address"), make("th", { scope: "col" }, "Does the same as"))), make("tbody", {}, rows));
  const box = make("details", { id: "older-addresses", class: "operation" }, make("summary", {}, make("h3", {}, "Addresses of the older systems",
    make("span", { class: "summary" }, `${rows.length} other paths for the operations above; new clients do not need them`))), make("div", { class: "operation-body alone" }, make("div", {}, table)));
  byId("operations").append(make("section", { class: "group-of-operations" }, box));
  byId("groups").append(make("div", {}, make("ul", {}, make("li", {}, make("a", { href: "#older-addresses" }, "Addresses of the older systems")))));
}

function intro(doc) {
  const [lead, ...others] = prose(doc.info.description ?? "");
  document.title = `${doc.info.title} ${doc.info.version}: the API`;
  byId("title").replaceChildren(`${doc.info.title} API `, make("span", { class: "version" }, doc.info.version));
  lead.className = "lead";
  byId("about").replaceChildren(lead, make("details", {}, make("summary", {}, "Bodies, errors, retries: what holds for all operations"), make("div", { class: "stack rules" }, others)));
}

function filter(entries, words) {
  const kept = new Set(entries.filter((entry) => openapi.matches(entry.operation, words)));
  for (const entry of entries) {
    entry.item.hidden = entry.node.hidden = !kept.has(entry);
    for (const one of entry.groups) one.hidden = true;
  }
  for (const entry of kept) for (const one of entry.groups) one.hidden = false;
  byId("found").textContent = !words ? `${entries.length} operations` : kept.size === 0 ? "Nothing found. Try a path, a word or the name of a field."
    : `${kept.size} of ${entries.length} operations`;
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

session.start();
listen();
try {
  show(await (await fetch("/openapi.json")).json());
} catch (fault) {
  byId("operations").append(make("p", { role: "alert" }, `/openapi.json could not be read: ${fault.message}`));
}
