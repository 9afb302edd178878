/* Sizes, times and speeds as people read them. Pure functions, which the tests run in node. */

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function size(bytes, language = "en") {
  if (bytes === null || bytes === undefined) return "";
  let unit = 0, value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toLocaleString(language, { maximumFractionDigits: unit > 0 && value < 99.5 ? 1 : 0 })} ${UNITS[unit]}`;
}

/* 4.2 → "0:04", 3725 → "1:02:05". */
export function clock(seconds) {
  const whole = Math.round(seconds), pad = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/* The same with tenths, where there are any: 4.2 → "0:04.2". */
export function exact(seconds) {
  const tenths = Math.round(seconds * 10), rest = tenths % 10;
  return clock((tenths - rest) / 10) + (rest ? `.${rest}` : "");
}

/* "1:30" or "90" or "90.5" → seconds; null: nothing was given; NaN: not a time. */
export function seconds(given) {
  const text = given.trim().replace(",", ".");
  if (!text) return null;
  if (!/^(\d+:)?(\d+:)?\d+(\.\d+)?$/.test(text)) return NaN;
  return text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

/* How the size changed, as "−62 %"; "" where it did not, or that means nothing. */
export function change(before, after, language = "en") {
  if (!before || after === null || after === undefined) return "";
  const part = after / before - 1, shown = Math.abs(part).toLocaleString(language, { style: "percent", maximumFractionDigits: 0 });
  if (Math.abs(part) < 0.005) return "";
  return part >= 0 ? `+${shown}` : `−${shown}`;
}

/* Measures a speed over the last seconds: rate.add(bytes so far, now in ms) → bytes per second, null at first. */
export function makeRate(windowMs = 5000) {
  let points = [];
  return {
    add(bytes, now) {
      points = points.filter(([at, sum]) => now - at <= windowMs && sum <= bytes);
      points.push([now, bytes]);
      const [[since, first]] = points;
      return now - since < 400 ? null : (bytes - first) * 1000 / (now - since);
    },
  };
}
