// Runs the script of /report on a document just big enough for it, and prints what it has drawn. Reads
// {script, figures, totals} from its input.
import { readFileSync } from "node:fs";
import vm from "node:vm";

class Node {
  constructor(name) { Object.assign(this, { name, children: [], attributes: {}, text: "", hidden: false, parentNode: null }); }
  get textContent() { return this.text + this.children.map(child => child.textContent).join(" "); }
  set textContent(text) { this.text = String(text); this.children = []; }
  get lastChild() { return this.children.at(-1); }
  setAttribute(key, value) { this.attributes[key] = String(value); }
  append(...nodes) { this.children.push(...nodes); }
  replaceChildren(...nodes) { this.children = nodes; }
}

const { script, figures, totals } = JSON.parse(readFileSync(0, "utf8"));
const elements = {};
const find = id => elements[id] ??= Object.assign(new Node(id), { parentNode: new Node("figure") });
const timer = new Promise(resolve => {
  vm.runInNewContext(script, {
    document: { getElementById: find, createElement: name => new Node(name), createElementNS: (_, name) => new Node(name) },
    location: { origin: "http://localhost" },
    setTimeout: (_, ms) => resolve(ms),
    fetch: async path => {
      if (path !== "/benchmark/conversion/data") throw new Error(path);
      return { ok: true, headers: { get: () => JSON.stringify(totals) }, json: async () => figures };
    },
  });
});
const againMs = await timer;
const dots = find("chart").children.filter(node => node.name === "circle");
console.log(JSON.stringify({
  points: find("chart").children.find(node => node.name === "polyline").attributes.points.split(" ").length,
  heights: dots.map(dot => Number(dot.attributes.cy)),
  rows: find("rows").children.map(row => row.children.map(cell => cell.textContent)),
  totals: find("totals").children.map(pair => pair.textContent),
  state: find("state").textContent,
  again_ms: againMs,
  report_hidden: find("report").hidden,
}));
