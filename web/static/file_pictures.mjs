/* Pictures of a file, made by the browser itself: the peaks of its audio, frames of its video. Both fail on what it cannot decode. */
import { drawn, make } from "./dom.mjs";

const SAMPLE_RATE = 8000, PATIENCE_MS = 10_000;

/* The largest sample of each of so many stretches, 0 to 1. The whole audio is decoded in memory. */
export async function peaksOf(file, points) {
  const audio = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: audio.numberOfChannels }, (_, i) => audio.getChannelData(i));
  return Array.from({ length: points }, (_, i) => {
    let peak = 0;
    for (const samples of channels)
      for (let at = Math.floor(i * samples.length / points); at < Math.floor((i + 1) * samples.length / points); at++) peak = Math.max(peak, Math.abs(samples[at]));
    return Math.min(peak, 1);
  });
}

/* A drawing of peaks, which fills its box. */
export function waveform(peaks) {
  const line = (sign) => peaks.map((peak, i) => `${i} ${(1 + sign * peak).toFixed(3)}`);
  return drawn("svg", { viewBox: `0 0 ${peaks.length - 1} 2`, preserveAspectRatio: "none", "aria-hidden": "true" },
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

/* A canvas with so many frames beside each other, evenly over the file; each fills its place. */
export async function framesOf(file, count, frameWidth, frameHeight) {
  const video = make("video", { preload: "auto" }), canvas = make("canvas", { width: count * frameWidth, height: frameHeight, "aria-hidden": "true" });
  const brush = canvas.getContext("2d"), address = URL.createObjectURL(file);
  video.muted = true;
  video.src = address;
  try {
    await fired(video, "loadeddata");
    if (!video.videoWidth) throw new Error("no video");
    const scale = Math.max(frameWidth / video.videoWidth, frameHeight / video.videoHeight), width = video.videoWidth * scale, height = video.videoHeight * scale;
    const seconds = Number.isFinite(video.duration) ? video.duration : 0;
    for (let i = 0; i < count; i++) {
      video.currentTime = seconds * (i + 0.5) / count;
      await fired(video, "seeked");
      brush.save();
      brush.beginPath();
      brush.rect(i * frameWidth, 0, frameWidth, frameHeight);
      brush.clip();
      brush.drawImage(video, i * frameWidth + (frameWidth - width) / 2, (frameHeight - height) / 2, width, height);
      brush.restore();
    }
    return canvas;
  } finally {
    video.removeAttribute("src");
    URL.revokeObjectURL(address);
  }
}
