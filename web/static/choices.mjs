/* What was chosen last, remembered for the next file. */
const KEY = "mediarun.choices";
const DEFAULTS = { audio: "mp3", video: "mp4", other: "mp3" };

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

/* The format for a file of a kind (null: unknown), and the options. */
export function lastFor(kind) {
  const kept = read()[kind ?? "other"] ?? {};
  return { format: kept.format ?? DEFAULTS[kind ?? "other"], choices: kept.choices ?? {} };
}

/* Where a file begins and ends is of that file alone, and not kept. */
export function remember(kind, format, { quality, loudness, height, preset }) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...read(), [kind ?? "other"]: { format, choices: { quality, loudness, height, preset } } }));
  } catch { /* then nothing is remembered */ }
}
