/* Small pictures of what was sent, for the list: a frame of a video, the waveform of audio. They are drawn from the file, and kept in
 * this browser alone until the user leaves. */
import { make } from "./dom.mjs";
import { framesOf, peaksOf, waveform } from "./file_pictures.mjs";
import { kindOf } from "./kinds.mjs";

const KEY = "mediarun.thumbs", MOST = 300, WIDTH = 96, HEIGHT = 54, QUALITY = 0.6, POINTS = 32;
const AUDIO_BYTES_MAX = 30_000_000, STEPS = 35; /* decoded in memory; a peak is one digit of base 36 */
let users = 0; /* who have left this page */
let kept = null; /* [id of a task, a JPEG as base64 or peaks], the newest last */

function all() {
  try {
    kept ??= JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    kept = [];
  }
  return kept;
}

function keep(list) {
  kept = list;
  try {
    localStorage.setItem(KEY, JSON.stringify(list));
  } catch { /* then they last as long as the page */ }
}

async function frameOf(file) {
  return (await framesOf(file, 1, WIDTH, HEIGHT)).toDataURL("image/jpeg", QUALITY).split(",")[1];
}

async function digitsOf(file) {
  if (file.size > AUDIO_BYTES_MAX) throw new Error("too large");
  return (await peaksOf(file, POINTS)).map((one) => Math.round(one * STEPS).toString(36)).join("");
}

/* Draws the picture of a task's file. Resolves to whether there is one. */
export async function draw(id, file) {
  const isAudio = kindOf(file.name, file.type) === "audio", user = users;
  try {
    const picture = await (isAudio ? digitsOf(file) : frameOf(file).catch(() => digitsOf(file)));
    if (user !== users) return false; /* it is no business of who came after */
    kept = null; /* another tab may have added some */
    keep([...all().filter(([one]) => one !== id), [id, picture]].slice(-MOST));
    return true;
  } catch {
    return false; /* the browser cannot read it */
  }
}

export function drop(id) {
  if (all().some(([one]) => one === id)) keep(all().filter(([one]) => one !== id));
}

export function forget() {
  users++;
  kept = [];
  localStorage.removeItem(KEY);
}

/* An image needs no address this way, and so no other policy. */
async function paint(canvas, picture) {
  const bytes = Uint8Array.from(atob(picture), (one) => one.charCodeAt(0));
  canvas.getContext("2d").drawImage(await createImageBitmap(new Blob([bytes], { type: "image/jpeg" })), 0, 0);
}

/* The picture of a task, or null. */
export function pictureOf(id) {
  const picture = all().find(([one]) => one === id)?.[1];
  if (!picture) return null;
  if (picture.length === POINTS) return waveform([...picture].map((one) => Math.max(parseInt(one, 36) / STEPS, 0.02)));
  const canvas = make("canvas", { width: WIDTH, height: HEIGHT });
  paint(canvas, picture).catch(() => {});
  return canvas;
}
