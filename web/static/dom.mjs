/* Makes nodes. Text becomes text nodes, and nothing is ever parsed as markup. */
import { prose as paragraphs } from "./openapi.mjs";

export const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes))
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/* make("a", {href: "#x"}, "text", node, …): attributes that start with "on" are listeners; null children are left out. */
export const make = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

export const drawn = (name, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

export const prose = (text) => !text ? [] : paragraphs(text).map((pieces) => make("p", {},
  pieces.map((piece) => piece.code ? make("code", {}, piece.text) : piece.text)));

/* A <details> whose content is made when it is first opened: schemas may be recursive. */
export function lazy(summary, content, attributes = {}) {
  const box = make("details", attributes, make("summary", {}, summary));
  const open = () => box.append(...[].concat(content()).flat(Infinity).filter(Boolean));
  if (attributes.open) open();
  else box.addEventListener("toggle", open, { once: true });
  return box;
}

/* A button that copies text() to the clipboard, or marks source where the clipboard is out of reach (no HTTPS). */
export function copyButton(text, source, words = ["Copy", "Copied", "Marked"]) {
  const button = make("button", { type: "button", class: "quiet copy", onclick: copy }, words[0]);
  async function copy() {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = words[1];
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = words[2];
    }
    setTimeout(() => { button.textContent = words[0]; }, 2000);
  }
  return button;
}
