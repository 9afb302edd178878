"""
Hours of audio that are cut into slices, beside the same in one run: as long, and no click where two slices meet. A click
is a step in the spectrum from one window to the next (its flux), so the windows at the seams are looked at beside all others.
"""

import array
import re

import cut_run
import seams
from harness.media import ffmpeg
from table import Target

RATE = 16000
UNIT_SECONDS = 20
WINDOW_S = 0.016  # half of 512 samples
NEAR = 4  # windows before and behind a seam
RANK = 0.9999  # of the differences elsewhere, with which those at the seams are compared
QUIET = 0.001  # less than a twentieth of what the beginning of a tone has
BASE_SECONDS = 617  # no seam falls on its beginning, which is silent
EXACT = ("wav", "flac")
NEW_FORMATS = ("mp3", "m4a", "opus", "ogg", *EXACT)
# Tones that change, a syllable's noise four times a second, and pauses.
TALK = ("aevalsrc='0.3*sin(2*PI*t*(200+40*floor(mod(t,9.47))))*gt(mod(t,7.3),2.1)"
        "+0.15*(random(0)-0.5)*abs(sin(4*PI*t))*lt(mod(t,5.1),3)*gt(mod(t,60),4)':d={seconds}:s={rate}")


def recording(media, seconds):
    base = media.once(f"units-talk-{BASE_SECONDS}.wav", lambda path: ffmpeg("-f", "lavfi", "-i", TALK.format(seconds=BASE_SECONDS, rate=RATE), path))
    return media.once(f"units-talk-{BASE_SECONDS}-{seconds}.flac", lambda path: ffmpeg("-stream_loop", -1, "-i", base, "-t", seconds, path))


def flux(path):
    """Of each window of the decoded audio."""
    text = seams.output_of("ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-af", f"aresample={RATE},aformat=channel_layouts=mono,"
                           "aspectralstats=win_size=512:overlap=0.5,ametadata=print:key=lavfi.aspectralstats.1.flux:file=-", "-f", "null", "-")
    return array.array("f", (float(value) for value in re.findall(rb"flux=(\S+)", text)))


def rise(found, wanted):
    """How much more flux each window has than in one run."""
    return array.array("f", (one - other for one, other in zip(found, wanted)))


def at_seams(values, times):
    """(the greatest value near a seam, that of the rank RANK elsewhere)"""
    near = {number for time in times for number in range(round(time / WINDOW_S) - NEAR, round(time / WINDOW_S) + NEAR + 1)}
    elsewhere = sorted(value for number, value in enumerate(values) if number not in near)
    return max(values[number] for number in near if 0 <= number < len(values)), elsewhere[int(RANK * (len(elsewhere) - 1))]


def compare(ground, new_format, cut, whole, scratch):
    add = lambda what, unit, value, most: ground.table.add(f"{new_format}: {what}", unit, [value], target=Target(at_most=most))
    paths = [run.download(scratch / f"{name}-{new_format}") for run, name in ((cut, "cut"), (whole, "whole"))]
    facts = [seams.stream_facts(path) for path in paths]
    add("facts of the stream that differ, its length among them", "facts", seams.differing(*facts), 0)
    if new_format in EXACT:
        add("audio that differs", "of 1", int(seams.audio_hash(paths[0]) != seams.audio_hash(paths[1])), 0)
    else:
        found, wanted = map(flux, paths)
        add("windows more or fewer than in one run", "windows", abs(len(found) - len(wanted)), 0)
        times = [part.from_us / 1e6 for part in cut.parts if part.kind == "audio" and part.from_us > 0]
        for what, values in (("flux", found), ("flux above one run's", rise(found, wanted))) if times else ():
            most, usual = at_seams(values, times)
            add(f"{what} at {len(times)} seams, of that elsewhere", "of 1", most / max(usual, QUIET), 1)
    for path in paths:
        path.unlink()


def measure(ground):
    seconds = ground.few(36000, 1200)
    source = recording(ground.media, seconds)
    scratch = ground.scratch / "slices"
    scratch.mkdir()
    cutting = {"SLOTS": 1, "UNIT_SECONDS": ground.few(UNIT_SECONDS, 2)}
    with ground.stack(pinned=True, workers=2, worker_settings=cutting) as ours, ground.stack(pinned=True, worker_settings={"SLOTS": 1, "UNIT_SECONDS": 0}) as plain:
        used = [(stack, stack.client()) for stack in (ours, plain)]
        for new_format in NEW_FORMATS:
            cut, whole = (cut_run.Run(stack, client, source, new_format, {}) for stack, client in used)
            ground.table.add(f"{new_format}: {seconds} s of audio, two workers", "× real time", [seconds / cut.seconds()], [seconds / whole.seconds()],
                             "one run on one worker")
            compare(ground, new_format, cut, whole, scratch)
