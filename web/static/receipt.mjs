/* A receipt in words: what was kept, what changed and why, what is missing and why. */
import { make } from "./dom.mjs";
import { clock, size } from "./figures.mjs";
import { counted, known, language, text } from "./texts.mjs";

/* "tag:title" → "tag title", "audio.sample_rate" → "audio sample rate". */
const plain = (what) => known(`part_${what.replace(/[^a-z]+/g, "_")}`, what.replace(/[:._]+/g, " "));

function list(title, entries, kind) {
  if (!entries.length) return null;
  return make("section", { class: `part ${kind}` }, make("h4", {}, title), make("ul", {}, entries.map((one) => make("li", {}, one))));
}

function facts({ container, codec, duration_ms: ms, width, height, sample_rate: rate, channels, bit_rate: bits, size: bytes }) {
  return [[container, codec].filter(Boolean).join(" / "), ms ? clock(ms / 1000) : null, width ? `${width}×${height}` : null, rate ? `${rate.toLocaleString(language)} Hz` : null,
    channels ? counted("channels", channels) : null, bits ? `${Math.round(bits / 1000).toLocaleString(language)} kbit/s` : null, size(bytes, language)].filter(Boolean).join(" · ");
}

function loudness({ loudness: one }) {
  const level = (side) => side ? `${side.integrated.toLocaleString(language)} LUFS` : "–";
  return one && typeof one === "object" ? [[text("loudness"), `${level(one.in)} → ${level(one.out)}`]] : [];
}

export function drawReceipt(receipt) {
  const rows = [[text("before"), facts(receipt.input)], [text("after"), facts(receipt.output)], ...loudness(receipt)];
  const changes = receipt.changed.map(({ what, from, to, why }) =>
    [make("strong", {}, plain(what)), ` ${from} → ${to}`, make("span", { class: "soft" }, ` (${why})`)]);
  return make("div", { class: "receipt" },
    make("dl", { class: "facts" }, rows.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
    receipt.copied ? make("p", { class: "soft small" }, text("copied")) : null,
    list(text("kept"), receipt.kept.map(plain), "kept"),
    list(text("changed"), changes, "changed"),
    list(text("dropped"), receipt.dropped.map(({ what, why }) => [make("strong", {}, plain(what)), make("span", { class: "soft" }, ` (${why})`)]), "dropped"),
    list(text("warnings"), receipt.warnings.map(({ detail }) => detail), "warned"));
}
