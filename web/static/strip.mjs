/* The part of a file that is kept, chosen on a picture of it: the waveform of audio, some frames of a video. It is drawn from the
 * file before it is sent; where the browser cannot decode it, or it is long audio, the strip stays plain. */
import { drawn, make } from "./dom.mjs";
import { exact } from "./figures.mjs";
import { text } from "./texts.mjs";

const POINTS = 480, SAMPLE_RATE = 8000, AUDIO_SECONDS_MAX = 900; /* decoded in memory, at its full sample rate: some 300 MB */
const FRAMES = 8, FRAME_WIDTH = 160, FRAME_HEIGHT = 90, PATIENCE_MS = 10_000;
const STEP = 0.1; /* seconds */
const pictures = new WeakMap(); /* file → promise of its picture */

/* The largest sample of each of POINTS stretches, 0 to 1. */
function peaksOf(audio) {
  const channels = Array.from({ length: audio.numberOfChannels }, (_, i) => audio.getChannelData(i));
  return Array.from({ length: POINTS }, (_, i) => {
    let peak = 0;
    for (const samples of channels)
      for (let at = Math.floor(i * samples.length / POINTS); at < Math.floor((i + 1) * samples.length / POINTS); at++) peak = Math.max(peak, Math.abs(samples[at]));
    return Math.min(peak, 1);
  });
}

async function drawWaveform(file, seconds) {
  if (seconds > AUDIO_SECONDS_MAX) return null;
  const peaks = peaksOf(await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(await file.arrayBuffer()));
  const line = (sign) => peaks.map((peak, i) => `${i} ${(1 + sign * Math.max(peak, 0.01)).toFixed(3)}`);
  return drawn("svg", { viewBox: `0 0 ${POINTS - 1} 2`, preserveAspectRatio: "none", "aria-hidden": "true" },
    drawn("path", { d: `M${[...line(-1), ...line(1).reverse()].join("L")}Z` }));
}

/* Resolves when a node has fired an event; rejects if it fails, or after a while. */
function fired(node, name) {
  return new Promise((resolve, reject) => {
    setTimeout(reject, PATIENCE_MS);
    node.addEventListener(name, resolve, { once: true });
    node.addEventListener("error", reject, { once: true });
  });
}

async function drawFrames(file, seconds) {
  const video = make("video", { preload: "auto" }), canvas = make("canvas", { width: FRAMES * FRAME_WIDTH, height: FRAME_HEIGHT, "aria-hidden": "true" });
  const brush = canvas.getContext("2d"), address = URL.createObjectURL(file);
  video.muted = true;
  video.src = address;
  try {
    await fired(video, "loadeddata");
    const scale = Math.max(FRAME_WIDTH / video.videoWidth, FRAME_HEIGHT / video.videoHeight), width = video.videoWidth * scale, height = video.videoHeight * scale;
    for (let i = 0; i < FRAMES; i++) {
      video.currentTime = seconds * (i + 0.5) / FRAMES;
      await fired(video, "seeked");
      brush.save();
      brush.beginPath();
      brush.rect(i * FRAME_WIDTH, 0, FRAME_WIDTH, FRAME_HEIGHT);
      brush.clip();
      brush.drawImage(video, i * FRAME_WIDTH + (FRAME_WIDTH - width) / 2, (FRAME_HEIGHT - height) / 2, width, height);
      brush.restore();
    }
    return canvas;
  } finally {
    video.removeAttribute("src");
    URL.revokeObjectURL(address);
  }
}

/* Resolves to a node, or to null where there is nothing to draw. */
function pictureOf({ file, kind, facts }) {
  if (!pictures.has(file)) pictures.set(file, (kind === "audio" || !facts.width ? drawWaveform(file, facts.seconds) : drawFrames(file, facts.seconds)).catch(() => null));
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
