/* What kind of file a file is, and into what it can be converted. Pure; a test compares the formats with the contract. */

export const AUDIO = ["mp3", "aac", "m4a", "m4b", "ogg", "opus", "wav", "aiff", "caf", "flac", "wma", "ac3", "eac3", "mka"];
export const VIDEO = ["mp4", "mov", "mkv", "webm", "avi", "mpegts", "3gp", "gif"];

const VIDEO_NAMES = /\.(mp4|m4v|mov|qt|3gp|3g2|f4v|mkv|webm|avi|divx|amv|ts|mts|m2ts|mpg|mpeg|vob|dat|wmv|asf|flv|rm|rmvb|mxf|dv|dif|wtv|nut|ivf|h264|264|avc|h265|hevc|265|obu|m1v|m2v|mpv|vc1|y4m|gif|apng|ogv)$/i;
const AUDIO_NAMES = /\.(mp3|mp2|mp1|mpga|aac|adts|loas|m4a|m4b|m4r|mka|wma|ra|ogg|oga|opus|spx|wav|rf64|w64|flac|aiff?|aifc|caf|au|snd|amr|awb|e?ac3|ec3|dts|dtshd|thd|mlp|wv|tta|ape|mpc|mp\+|mpp|tak|shn|dsf|dff|oma|aa3|omg|voc|dss|ds2|qcp)$/i;

/* "audio", "video", or null: by the name first, since it is what the file's owner sees, then by the browser's type. */
export function kindOf(name, type = "") {
  if (VIDEO_NAMES.test(name)) return "video";
  if (AUDIO_NAMES.test(name)) return "audio";
  return /^(audio|video)\//.exec(type)?.[1] ?? null;
}

/* The formats that a file of a kind can become. Audio cannot become video. */
export const targets = (kind) => kind === "audio" ? [["audio", AUDIO]] : kind === "video" ? [["video", VIDEO], ["audio", AUDIO]] : [["audio", AUDIO], ["video", VIDEO]];

export const isVideo = (format) => VIDEO.includes(format);

/* The options that a format takes, as the contract's bounds have it. */
export const takesQuality = (format) => !["wav", "aiff", "caf", "flac", "avi", "gif"].includes(format);
export const takesLoudness = (format) => format !== "gif";

const CRF = { small: 28, good: 23, best: 18 }, CRF_VP9 = { small: 40, good: 32, best: 24 };
const BITRATE = { small: 96_000, good: 192_000, best: 320_000 };

/* What a quality is for a format, as options; {} where nothing is chosen or the format has no choice. */
export function qualityOptions(format, quality) {
  if (!quality || !takesQuality(format)) return {};
  if (!isVideo(format)) return { bitrate: BITRATE[quality] };
  return { crf: (format === "webm" ? CRF_VP9 : CRF)[quality] };
}

/* The options of a task from what a person chose; a choice that the format does not take is left out. */
export function optionsOf(format, { quality, loudness, height, start, end }) {
  const options = qualityOptions(format, quality);
  if (loudness && takesLoudness(format)) options.loudness = Number(loudness);
  if (height && isVideo(format)) options.resize = { height: Number(height) };
  if (start || end) options.trim = { ...(start ? { start } : {}), ...(end ? { duration: Math.round((end - (start || 0)) * 1000) / 1000 } : {}) };
  return options;
}

/* What the older systems made of videos: a preset stands for all options. */
export const PRESETS = ["fpv", "idrl"];

/* The fields of a task besides its file. */
export function orderOf(format, choices) {
  if (choices.preset && isVideo(format)) return { newFormat: format, preset: choices.preset };
  const options = optionsOf(format, choices);
  return { newFormat: format, ...(Object.keys(options).length ? { options } : {}) };
}

/* Of the options of a task, those that another format takes, too: bounds of qualities differ from codec to codec. */
export function optionsKept(format, options) {
  const names = ["trim", ...(takesLoudness(format) ? ["loudness"] : []), ...(isVideo(format) ? ["resize"] : [])];
  return Object.fromEntries(Object.entries(options ?? {}).filter(([name]) => names.includes(name)));
}
