/* What a file holds, before it is sent: as far as the browser itself can read it. Costs no request. */

const PATIENCE_MS = 8000;

/* Resolves to {seconds, width, height} (0: none), or null where the browser cannot read the file. */
export function lookInside(file, kind) {
  return new Promise((resolve) => {
    const node = document.createElement(kind === "audio" ? "audio" : "video"), address = URL.createObjectURL(file);
    const end = (facts) => {
      clearTimeout(timer);
      node.removeAttribute("src");
      URL.revokeObjectURL(address);
      resolve(facts);
    };
    const timer = setTimeout(() => end(null), PATIENCE_MS);
    node.preload = "metadata";
    node.onerror = () => end(null);
    node.onloadedmetadata = () => end({ seconds: Number.isFinite(node.duration) ? node.duration : 0, width: node.videoWidth ?? 0, height: node.videoHeight ?? 0 });
    node.src = address;
  });
}
