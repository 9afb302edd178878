/* The chart of files per minute: bars in an SVG as wide as its place, so that its text keeps its size. */
import { drawn } from "./dom.mjs";
import { counted, language, text } from "./texts_service.mjs";

const HEIGHT = 320, TICKS = 5, LABEL_WIDTH = 56, BAR_MAX = 64;
const EDGE = { left: 52, right: 12, top: 16, bottom: 52 };

/* The smallest 1, 2 or 5 times a power of ten with which `ticks` steps reach `max`. */
function step(max, ticks) {
  for (let power = 1; ; power *= 10)
    for (const factor of [1, 2, 5])
      if (factor * power * ticks >= max) return factor * power;
}

function axes(width, height, x, y, last, unit, steps) {
  const nodes = [];
  for (let i = 0; i <= steps; i++) {
    const at = y(i * unit);
    nodes.push(drawn("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: at, y2: at }),
      drawn("text", { x: EDGE.left - 8, y: at + 4, "text-anchor": "end" }, String(i * unit)));
  }
  const every = step(last, Math.max(2, Math.floor((width - EDGE.left - EDGE.right) / LABEL_WIDTH)));
  for (let minute = 1; minute <= last; minute++)
    if (minute % every === 0)
      nodes.push(drawn("text", { x: x(minute), y: height - EDGE.bottom + 20, "text-anchor": "middle" }, String(minute)));
  nodes.push(drawn("text", { x: (EDGE.left + width - EDGE.right) / 2, y: height - 8, "text-anchor": "middle" }, text("chart_axis")));
  return nodes;
}

/* rows: [{min, count}] without gaps; isRunning: the last minute is not over. */
export function draw(svg, rows, isRunning) {
  const width = Math.max(260, svg.parentNode.clientWidth), height = width < 520 ? 260 : HEIGHT;
  const last = rows.length, most = Math.max(1, ...rows.map((row) => row.count));
  const unit = step(most, TICKS), steps = Math.ceil(most / unit);
  const place = (width - EDGE.left - EDGE.right) / last, bar = Math.max(1, Math.min(BAR_MAX, place * 0.72));
  const x = (minute) => EDGE.left + place * (minute - 0.5);
  const y = (count) => height - EDGE.bottom - (height - EDGE.top - EDGE.bottom) * count / (unit * steps);
  const bars = rows.map((row) => drawn("rect", { class: isRunning && row.min === last ? "bar unfinished" : "bar", x: x(row.min) - bar / 2, width: bar,
    y: y(row.count), height: y(0) - y(row.count), rx: Math.min(3, bar / 4) },
  drawn("title", {}, text("chart_bar", { minute: row.min, count: row.count.toLocaleString(language) }))));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.replaceChildren(drawn("title", { id: "chart-title" },
    counted("chart_minutes", last, { most: most.toLocaleString(language) })),
  ...axes(width, height, x, y, last, unit, steps), ...bars);
}
