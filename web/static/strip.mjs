/* The part of a file that is kept, chosen on a picture of it: the waveform of audio, some frames of a video. It is drawn from the
 * file before it is sent; where the browser cannot decode it, or it is long audio, the strip stays plain. */
import { make } from "./dom.mjs";
import { exact } from "./figures.mjs";
import { framesOf, peaksOf, waveform } from "./file_pictures.mjs";
import { text } from "./texts.mjs";

const POINTS = 480, AUDIO_SECONDS_MAX = 900; /* decoded in memory, at its full sample rate: some 300 MB */
const FRAMES = 8, FRAME_WIDTH = 160, FRAME_HEIGHT = 90;
const STEP = 0.1; /* seconds */
const pictures = new WeakMap(); /* file → promise of its picture */

async function drawWaveform(file, seconds) {
  if (seconds > AUDIO_SECONDS_MAX) return null;
  const peaks = await peaksOf(file, POINTS);
  return waveform(peaks.map((one) => Math.max(one, 0.01)));
}

/* Resolves to a node, or to null where there is nothing to draw. */
function pictureOf({ file, kind, facts }) {
  if (!pictures.has(file)) pictures.set(file, (kind === "audio" || !facts.width ? drawWaveform(file, facts.seconds) : framesOf(file, FRAMES, FRAME_WIDTH, FRAME_HEIGHT)).catch(() => null));
  return pictures.get(file);
}

/* item: with its file, and facts.seconds. onChoose({start, end}), null where nothing is cut off. Returns {node, show({start, end})}. */
export function makeStrip(item, onChoose) {
  const { seconds } = item.facts, shades = [make("div", { class: "shade" }), make("div", { class: "shade after" })];
  const handle = (name) => make("input", { type: "range", min: 0, max: seconds, step: STEP, "aria-label": text(name), "data-side": name, oninput: move, onchange: () => onChoose(chosen()) });
  const start = handle("start"), end = handle("end"), node = make("div", { class: "strip" }, shades, start, end);
  const chosen = () => ({ start: Number(start.value) || null, end: Number(end.value) > seconds - STEP ? null : Number(end.value) });

  function draw() {
    shades[0].style.width = `${start.value / seconds * 100}%`;
    shades[1].style.width = `${100 - end.value / seconds * 100}%`;
    start.style.zIndex = start.value > seconds / 2 ? 1 : ""; /* where both are at an end, the one that can be moved is on top */
    for (const one of [start, end]) one.setAttribute("aria-valuetext", exact(Number(one.value)));
  }

  /* The handles do not pass each other. */
  function move({ target }) {
    if (target === start) start.value = Math.max(0, Math.min(start.value, end.value - STEP));
    else end.value = Math.min(seconds, Math.max(end.value, Number(start.value) + STEP));
    draw();
  }

  function show(times) {
    start.value = times.start ?? 0;
    end.value = times.end ?? seconds;
    draw();
  }
  show(item.choices);
  pictureOf(item).then((picture) => { if (picture) node.prepend(picture); });
  return { node, show };
}
