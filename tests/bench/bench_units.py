"""
Long conversions that are cut into units: how much faster two workers are than one, whether the seams show, what a short task
pays for it, and what killed workers cost. Each worker has one slot and one processor, as on an instance with one: x264 has two
threads, and would take both processors of a small machine from one slot. VP9 is slow, so its clip is shorter.
"""

import collections
import contextlib
import json
import os
import resource
import statistics
import subprocess

import audio_slices
import cut_run
import seams
import unit_kills
from ground import alternate, seconds_of
from harness.media import ffmpeg
from harness.waiting import wait_for
from table import Target
from unit_costs import COSTS

TITLE = "Cut conversions"
SMALL, LARGE = "1280x720", "1920x1080"
ONE_CORE = {"SLOTS": 1, "UNIT_SECONDS": 0}

# name, options, cost of a second in a unit, cost of the join; seconds of the clip, whole and quick
Case = collections.namedtuple("Case", "name options second join seconds")
CASES = (Case("mp4", {"crf": 24}, COSTS["h264_720p"], COSTS["join_copied"], (600, 60)),
         Case("webm", {"crf": 33}, COSTS["vp9_720p"], COSTS["join_measured"], (120, 24)))


def add_cost(ground, cost, values):
    """Beside the value that the simulation takes for it."""
    ground.table.add(cost.row, cost.unit, values, [cost.value], "the simulation's value")


def cpu_ms(task):
    return 1000 * task["receipt"]["cpu_seconds"]


def speed(ground, stacks, case, source, seconds):
    """Rounds of (on two workers, on one, on one in one run)."""
    rounds = [[cut_run.Run(stack, client, source, case.name, case.options) for stack, client in stacks] for _ in range(ground.few(3, 1))]
    two, one, whole = ([seconds / run.seconds() for run in column] for column in zip(*rounds, strict=True))
    name = f"{case.name}, {seconds} s of 720p"
    ground.table.add(f"{name}: two workers", "× real time", two, one, "one worker, cut", Target(at_least=1.85))
    ground.table.add(f"{name}: two workers", "× real time", two, whole, "one run on one worker")
    return rounds


def processors(ground, source):
    """What two processors of this machine give beside one, to plain ffmpeg. Two that share a core give less than two."""
    command = lambda number: ["taskset", "--cpu-list", str(number), "ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", str(source),
                              "-map", "0:v", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-f", "null", "-"]
    numbers = sorted(os.sched_getaffinity(0))[:2]

    def both():
        running = [subprocess.Popen(command(number)) for number in numbers]
        assert [run.wait() for run in running] == [0] * len(numbers)

    alone, together = alternate(lambda: seconds_of(lambda: subprocess.run(command(numbers[0]), check=True)), lambda: seconds_of(both), ground.few(3, 1))
    ground.table.add("two ffmpeg at once, each on a processor", "clips a minute", [len(numbers) * 60 / value for value in together],
                     [60 / value for value in alone], "one alone: no more can be had of this machine")


def compare(ground, case, cut, whole, source, scratch):
    """What came out of two workers, beside one run."""
    add = lambda what, unit, value, most: ground.table.add(f"{case.name}: {what}", unit, [value], target=Target(at_most=most))
    paths = [run.download(scratch / name) for run, name in ((cut, "cut"), (whole, "whole"))]
    times, whole_times = ([seams.packets(path, kind) for kind in "va"] for path in paths)
    frames, whole_frames = (seams.quality(path, source, cut_run.RATE, scratch) for path in paths)
    mean = statistics.mean
    add("frames that differ in number or time", "frames", seams.differing(times[0][0], whole_times[0][0]) +
        abs(len(frames.psnr) - len(whole_frames.psnr)), 0)
    add("gaps and equal times", "frames", seams.irregular(times[0][0], cut_run.RATE), 0)
    add("mean PSNR below one run's", "dB", mean(whole_frames.psnr) - mean(frames.psnr), 0.1)
    add("mean SSIM below one run's", "1/1000", 1000 * (mean(whole_frames.ssim) - mean(frames.ssim)), 1)
    add("worst frame at a seam, below one run's", "dB", min(whole_frames.psnr) - seams.worst_near(frames.psnr, cut.seams, cut_run.RATE), 1)
    add("size beside one run", "%", 100 * abs(paths[0].stat().st_size / paths[1].stat().st_size - 1), 3)
    add("audio that differs", "of 1", int(seams.audio_hash(paths[0]) != seams.audio_hash(paths[1])), 0)
    end = lambda streams: streams[0][1] - streams[1][1]
    add("A/V offset at the end beside one run", "ms", 1000 * abs(end(times) - end(whole_times)), 1)
    add("facts of streams that differ", "facts", seams.differing(*map(seams.stream_facts, paths)), 0)
    if case.name == "mp4":
        add("parameter sets", "sets", seams.parameter_sets(paths[0]), 1)
    for path in paths:
        path.unlink()


def costs_of_units(ground, case, runs, seconds):
    """Of cut runs on one worker: parts follow each other in its slot."""
    lasts = lambda spans: sum(span.end - span.begin for span in spans)
    joins = lambda run: run.spans("join")[0].end - max(span.end for kind in ("video", "audio") for span in run.spans(kind))
    add_cost(ground, case.second, [cpu_ms(run.task) / seconds for run in runs])
    add_cost(ground, case.join, [1000 * joins(run) / seconds * 60 for run in runs])
    if case.name != "mp4":
        return
    add_cost(ground, COSTS["plan"], [1000 * lasts(run.spans("plan")) for run in runs])
    add_cost(ground, COSTS["publish"], [1000 * (run.spans("video")[0].begin - run.spans("plan")[0].end) for run in runs])
    gaps = [1000 * (later.begin - earlier.end) for run in runs for spans in [run.spans("video")] for earlier, later in zip(spans, spans[1:])]
    add_cost(ground, COSTS["claim"], gaps)


def costs_of_whole_jobs(ground, stack, client):
    """Of 1080p, of decoding and of audio."""
    seconds, minutes = ground.few(24, 12), ground.few(10, 2)
    clips = {"1080p": cut_run.clip(ground.media, ffmpeg, LARGE, seconds), "720p": cut_run.clip(ground.media, ffmpeg, SMALL, seconds)}
    audio = ground.media.tone("m4a", seconds=60 * minutes)

    def job_ms(source, new_format, options):
        return cpu_ms(client.finish(client.upload(source, new_format, options=json.dumps(options)), 600))

    def decoding_ms(source):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seams.output_of("ffmpeg", "-v", "error", "-threads", "1", "-i", source, "-map", "0:v", "-f", "null", "-")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    rounds = range(ground.few(3, 1))
    for name, case in (("h264_1080p", CASES[0]), ("vp9_1080p", CASES[1])):
        add_cost(ground, COSTS[name], [job_ms(clips["1080p"], case.name, case.options) / seconds for _ in rounds])
    for size, source in clips.items():
        add_cost(ground, COSTS[f"decode_{size}"], [decoding_ms(source) / seconds for _ in rounds])
    add_cost(ground, COSTS["audio"], [job_ms(audio, "opus", {"bitrate": 128_000}) / minutes for _ in rounds])


def long_conversions(ground):
    cutting = {**ONE_CORE, "UNIT_SECONDS": ground.few(5, 1)}
    with contextlib.ExitStack() as stacks:
        enter = lambda **settings: stacks.enter_context(ground.stack(pinned=True, **settings))
        running = [enter(workers=2, worker_settings=cutting), enter(worker_settings=cutting), enter(worker_settings=ONE_CORE)]
        used = [(stack, stack.client()) for stack in running]
        processors(ground, cut_run.clip(ground.media, ffmpeg, SMALL, 60))
        for case in CASES:
            seconds = ground.few(*case.seconds)
            source = cut_run.clip(ground.media, ffmpeg, SMALL, seconds)
            rounds = speed(ground, used, case, source, seconds)
            scratch = ground.scratch / f"units-{case.name}"
            scratch.mkdir()
            compare(ground, case, rounds[0][0], rounds[0][2], source, scratch)
            costs_of_units(ground, case, [row[1] for row in rounds], seconds)
        costs_of_whole_jobs(ground, *used[2])


def short_tasks(ground):
    """The same short task with and without the setting, one after the other."""
    source = ground.media.once("units-short.mp4", lambda path: ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=0.5", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", path))
    count, ids = ground.few(1500, 400), ([], [])
    with ground.stack(worker_settings={"UNIT_SECONDS": 120}) as ours, ground.stack(worker_settings={"UNIT_SECONDS": 0}) as plain:
        used = [(stack, stack.client(), numbers) for stack, numbers in zip((ours, plain), ids, strict=True)]
        ours.sql("CREATE EXTENSION pg_stat_statements")
        for _ in range(count):
            for _, client, numbers in used:
                task = client.upload(source, "mp4", options='{"crf": 30}')
                wait_for(lambda client=client, task=task: client.task(task["id"])["status"] == "processed", "a short task", 30, 0.005)
                numbers.append(task["id"])
        made = ours.sql("SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%INSERT INTO units%' AND dbid ="
                        " (SELECT oid FROM pg_database WHERE datname = current_database())")[0][0]
        times = [stack.job_ms(numbers) for stack, _, numbers in used]
    ground.table.add("short tasks: statements that write units", "in all", [int(made)], target=Target(at_most=0))
    ground.table.add(f"{count} short tasks, claim to commit", "ms", times[0], times[1], "UNIT_SECONDS=0")
    ground.table.add("the same, more than with UNIT_SECONDS=0", "ms", [statistics.median(times[0]) - statistics.median(times[1])],
                     target=Target(at_most=0.2))


def measure(ground):
    long_conversions(ground)
    short_tasks(ground)
    unit_kills.measure(ground)
    audio_slices.measure(ground)
