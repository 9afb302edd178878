"""Videos in a browser: whether one plays to its end, and whether it shows the frames of another."""

import base64
import json

PLAY = """
(async ([ours, other], times, frame) => {
  const happens = (node, name) => new Promise((done, fail) => {
    node.addEventListener(name, done, {once: true});
    node.addEventListener('error', () => fail(new Error(`${name}: ${node.error.message}`)), {once: true});
  });
  const open = async (data) => {
    const node = Object.assign(document.createElement('video'), {muted: true, preload: 'auto'});
    const loaded = happens(node, 'canplaythrough');
    document.body.append(node);
    node.src = URL.createObjectURL(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], {type: 'video/mp4'}));
    await loaded;
    return node;
  };
  // Until the frame of this time is on the page: "seeked" may come before.
  const shown = (node, time) => new Promise((done) => {
    const look = (_, {mediaTime}) => Math.abs(time - frame / 2 - mediaTime) < frame / 2 ? done() : node.requestVideoFrameCallback(look);
    node.requestVideoFrameCallback(look);
  });
  const pixels = async (node, time) => {
    if (Math.abs(node.currentTime - time) > frame / 4) {
      const there = Promise.all([happens(node, 'seeked'), Promise.race([shown(node, time), new Promise((done) => setTimeout(done, 3000))])]);
      node.currentTime = time;
      await there;
    }
    const canvas = Object.assign(document.createElement('canvas'), {width: 160, height: 120});
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.drawImage(node, 0, 0, 160, 120);
    return context.getImageData(0, 0, 160, 120).data;
  };
  const nodes = [await open(ours), await open(other)];
  const ended = happens(nodes[0], 'ended');
  nodes[0].playbackRate = 4;
  await nodes[0].play();
  await ended;
  const {corruptedVideoFrames} = nodes[0].getVideoPlaybackQuality();
  const difference = (one, two) => one.reduce((sum, value, i) => sum + Math.abs(value - two[i]), 0) / one.length;
  const played = nodes[0].currentTime, differences = [], steps = [];
  for (const time of times) {
    const [found, wanted, next] = [await pixels(nodes[0], time), await pixels(nodes[1], time), await pixels(nodes[1], time + frame)];
    differences.push(difference(found, wanted));
    steps.push(difference(wanted, next));
  }
  return {played, corruptedVideoFrames, differences, steps};
})"""


def play(browser, paths, times, frame_s):
    """
    Plays the first of two videos to its end (played: where it ended, corruptedVideoFrames), and compares frames by the mean difference of
    their pixels: those of both videos at the times (differences), and those of the second one with its next frames (steps).
    """
    files = [base64.b64encode(path.read_bytes()).decode() for path in paths]
    return browser.open("about:blank").evaluate(f"{PLAY}({json.dumps(files)}, {json.dumps(times)}, {frame_s})")
