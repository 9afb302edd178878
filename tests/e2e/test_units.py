"""Long conversions are cut into units, which run on several workers. UNIT_SECONDS is small here, so that a short clip is long."""

import array
import base64
import concurrent.futures
import json
import math
import re
import signal
import subprocess

import pytest
import requests

from harness import player, video_output
from harness.log_filter import entry_of, point_of
from harness.media import ffmpeg
from harness.paths import ROOT
from harness.stack import PROJECT, Stack
from harness.waiting import wait_for

RATE, LECTURE = 44100, 180  # Hz; seconds of audio, of which UNIT_SECONDS=1 makes three slices or more
METRICS = {path.stem: json.loads(path.read_text("utf-8")) for path in (ROOT / "infra" / "monitoring" / "metrics").glob("*.json")}
SIZE, SECONDS = "320x240", 24  # of which UNIT_SECONDS=1 makes three units of VP9, or more of x264


@pytest.fixture(scope="module")
def cutting(shared_stack, workdir, postgres):
    """Two workers with one slot each, which cut what the shared stack makes as one job."""
    directory = workdir / "cutting"
    directory.mkdir()
    stack = Stack(directory, postgres, workers=2, worker_settings={
        "UNIT_SECONDS": 1, "SLOTS": 1, "LEASE_SECONDS": 3, "MAX_OUTPUT_BYTES": 8_000_000})
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def cut_user(cutting):
    return cutting.client()


def clip(media, name, *encoding, seconds=SECONDS, video=()):
    return media.once(name, lambda path: ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=size={SIZE}:rate=30:duration={seconds}", "-f", "lavfi", "-i",
        f"aevalsrc=0.3*sin(440*2*PI*t)*sin(t):d={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
        "-metadata", "title=Units", *video, *encoding, path))


@pytest.fixture(scope="module")
def film(media):
    """Closed groups of a second, with B-frames."""
    return clip(media, "units-film.mp4", "-bf", "2", "-g", "30")


@pytest.fixture(scope="module")
def odd_film(media):
    """Matroska with open groups and frames at irregular times."""
    return clip(media, "units-odd.mkv", "-bf", "3", "-x264-params", "open-gop=1:keyint=40", "-fps_mode", "vfr", seconds=12,
                video=("-vf", "select='mod(n,7)*mod(n,11)'"))


def times(path):
    """The time of each frame of video, as ffprobe reads it."""
    done = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts", "-of", "csv=p=0", str(path)],
                          capture_output=True, text=True, check=True)
    return [line.strip(",") for line in done.stdout.split()]


def digest(path, stream):
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-map", f"0:{stream}", "-f", "md5", "-"],
                          capture_output=True, text=True, check=True)
    return done.stdout


def packets_of(path):
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-map", "0:a", "-c", "copy", "-f", "md5", "-"],
                          capture_output=True, text=True, check=True)
    return done.stdout


def frame_psnr(path, source):
    """Of each frame of the first, beside those of the second from its beginning, in dB."""
    done = subprocess.run(["ffmpeg", "-nostdin", "-i", str(path), "-i", str(source), "-lavfi", "[0:v][1:v]psnr=stats_file=-",
                           "-f", "null", "-"], capture_output=True, text=True, check=True)
    return [min(float(found), 60) for found in re.findall(r"psnr_avg:([0-9.inf]+)", done.stdout)]


def psnr(path, source):
    """Mean and worst of all frames, in dB."""
    values = frame_psnr(path, source)
    return sum(values) / len(values), min(values)


def streams(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["streams"]


def stream_facts(path):
    """What the container says, with the parameter sets."""
    done = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-show_format", "-show_data_hash", "md5", "-of", "json", str(path)],
                          capture_output=True, text=True, check=True)
    info = json.loads(done.stdout)
    keys = ("codec_name", "profile", "level", "extradata_hash", "start_time", "duration", "nb_frames", "avg_frame_rate", "has_b_frames")
    return info["format"].get("tags"), info["format"]["duration"], [[stream.get(key) for key in keys] for stream in info["streams"]]


def upload(user, path, new_format, **options):
    return user.upload(path, new_format, options=json.dumps(options))


def both(cut_user, same_user, path, new_format, directory, look=lambda task: None, **options):
    """The task and its output, cut and as one job, made at the same time; `look` sees the first while it is made."""
    tasks = [(user, upload(user, path, new_format, **options)) for user in (cut_user, same_user)]
    look(tasks[0][1])
    made = []
    for i, (user, task) in enumerate(tasks):
        (directory / str(i)).mkdir()
        done = user.finish(task, 120)
        made.append((done, video_output.fetch(user, done, directory / str(i))))
    return made


@pytest.mark.parametrize("new_format, source, options", [
    ("mp4", "film", {"crf": 25, "preset": "fast"}), ("mp4", "odd_film", {"crf": 23, "preset": "slow"}),
    ("webm", "film", {"crf": 35, "waveform": {"points": 100}})])
def test_units_give_what_one_run_gives(cutting, cut_user, same_user, new_format, source, options, tmp_path, request):
    source = request.getfixturevalue(source)
    kinds = {"video", "join"} | ({"audio"} if new_format == "webm" else set())  # AAC is copied into MP4

    def look(task):
        wait_for(lambda: {kind for _, kind, _ in units_of(cutting, task)} == kinds, "its units", 30, 0.02)

    (cut_task, cut), (whole_task, whole) = both(cut_user, same_user, source, new_format, tmp_path, look, **options)
    receipt = cut_task["receipt"]
    assert receipt["units"] > 2 and receipt["wall_seconds"] > 0 and "units" not in whole_task["receipt"]
    assert times(cut) == times(whole)
    assert digest(cut, "a") == digest(whole, "a")
    if "waveform" in options:
        drawn = [user.get(task["outputs"][1]["url"]).json() for user, task in ((cut_user, cut_task), (same_user, whole_task))]
        assert drawn[0] == drawn[1]
    assert stream_facts(cut) == stream_facts(whole)
    assert cut.stat().st_size == pytest.approx(whole.stat().st_size, rel=0.05)
    (mean, worst), (whole_mean, whole_worst) = psnr(cut, source), psnr(whole, source)
    assert mean == pytest.approx(whole_mean, abs=0.2)
    assert worst > whole_worst - 1
    same = ("kept", "changed", "dropped", "warnings", "loudness", "input", "copied")
    assert {key: receipt[key] for key in same} == {key: whole_task["receipt"][key] for key in same}


@pytest.mark.parametrize("new_format, source, options", [
    ("mp4", "film", {"crf": 24, "preset": "slow", "trim": {"start": 3.31, "duration": 15.25}}),
    ("mp4", "odd_film", {"crf": 24, "preset": "slow", "trim": {"start": 2.017}}),
    ("webm", "film", {"crf": 35, "trim": {"duration": 23.15}, "loudness": -20}),
    ("mp4", "film", {"crf": 24, "preset": "slow", "fps": 23.976}),
    ("mp4", "odd_film", {"crf": 24, "preset": "slow", "fps": 50, "trim": {"start": 1.51}})])
def test_units_of_a_clip(cut_user, same_user, new_format, source, options, tmp_path, request):
    (cut_task, cut), (whole_task, whole) = both(cut_user, same_user, request.getfixturevalue(source), new_format, tmp_path, **options)
    receipt = cut_task["receipt"]
    assert receipt.get("units", 0) > 2 and "units" not in whole_task["receipt"], receipt.get("uncut")
    assert times(cut) == times(whole)
    assert digest(cut, "a") == digest(whole, "a")
    assert stream_facts(cut) == stream_facts(whole)
    mean, worst = psnr(cut, whole)
    assert mean > 36 and worst > 28
    same = ("kept", "changed", "dropped", "warnings", "loudness", "input", "copied")
    assert {key: receipt[key] for key in same} == {key: whole_task["receipt"][key] for key in same}


ENCODINGS = {
    "hevc.mp4": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "open-gop=1:keyint=40:bframes=4:log-level=none", "-tag:v", "hvc1"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "8", "-g", "40", "-auto-alt-ref", "1", "-lag-in-frames", "16",
                 "-c:a", "libopus"),
    "av1.mkv": ("-c:v", "libsvtav1", "-preset", "12", "-g", "40"),
    "prores.mov": ("-c:v", "prores_ks", "-profile:v", "0"),
    "mjpeg.mkv": ("-c:v", "mjpeg", "-q:v", "8", "-color_range", "pc"),
    "mpeg4.mp4": ("-c:v", "mpeg4", "-bf", "2", "-g", "40", "-q:v", "4"),
    "mpeg2.mkv": ("-c:v", "mpeg2video", "-bf", "2", "-g", "20", "-q:v", "4", "-flags", "+ilme+ildct", "-vf", "tinterlace=interleave_top,setfield=tff"),
    "fields.mp4": ("-bf", "2", "-x264-params", "tff=1:keyint=40:open-gop=1", "-vf", "tinterlace=interleave_top,setfield=tff"),
}


@pytest.fixture(scope="module")
def inputs(media, film, odd_film):
    """By name; the other codecs are encoded when they are asked for."""
    named = {"film": film, "odd_film": odd_film}
    return lambda name: named.get(name) or clip(media, f"units-{name}", *ENCODINGS[name], seconds=12)


def all_outputs(user, task, directory):
    return [video_output.fetch(user, task, directory, n) for n in range(len(task["outputs"]))]


def finish_both(tasks, directory):
    """(receipt, outputs) of the task that was cut, and of the one that was not."""
    made = []
    for name, (user, task) in zip(("cut", "whole"), tasks, strict=True):
        (directory / name).mkdir()
        done = user.finish(task, 300)
        made.append((done["receipt"], all_outputs(user, done, directory / name)))
    (receipt, cut), (whole_receipt, whole) = made
    assert receipt.get("units", 0) > 2 and "units" not in whole_receipt, receipt.get("uncut")
    assert len(cut) == len(whole)
    return made


def assert_alike(cut, whole):
    """Of two outputs: a picture is the same; a video has the same frames, but for what an encoder does at a seam."""
    if cut.suffix in (".jpg", ".vtt"):
        assert cut.read_bytes() == whole.read_bytes()
        return
    assert times(cut) == times(whole)
    assert digest(cut, "a") == digest(whole, "a")
    assert stream_facts(cut) == stream_facts(whole)
    mean, worst = psnr(cut, whole)
    assert mean > 36 and worst > 28


@pytest.mark.parametrize("source, new_format, options", [
    ("hevc.mp4", "mp4", {}), ("mjpeg.mkv", "mp4", {}), ("vp9.webm", "mkv", {"codec": "h264", "trim": {"start": 1.73}}),
    ("mpeg4.mp4", "webm", {"codec": "av1", "crf": 30, "preset": "fast"}),
    ("av1.mkv", "mp4", {"trim": {"start": 1.499, "duration": 7.559}, "logo": {"intro": 0.9, "outro": 0.66}, "thumbnail": {"at": 1.56}}),
    ("mpeg2.mkv", "mkv", {"codec": "h264", "fps": 50, "trim": {"start": 1.379, "duration": 7.043}, "filmstrip": {"frames": 30}}),
    ("fields.mp4", "mov", {"split": {"seconds": 5.01}}),
    ("fields.mp4", "mp4", {"codec": "hevc", "crf": 26, "preset": "fast", "split": {"seconds": 5.46}, "logo": {"intro": 1.01, "outro": 1.89}}),
    ("odd_film", "mkv", {"codec": "h264", "split": {"seconds": 3.1}, "logo": {"intro": 1, "outro": 0.55}, "filmstrip": {"frames": 8}}),
    ("prores.mov", "mkv", {"codec": "vp9", "split": {"seconds": 4.07}, "logo": {"intro": 0.13, "outro": 1.74}, "filmstrip": {"frames": 10},
                           "resize": {"width": 640}}),
    ("hevc.mp4", "mp4", {"split": {"seconds": 4}, "fps": 23.976, "trim": {"start": 0.47, "duration": 10.9}, "thumbnail": {"at": 0}}),
    ("mpeg4.mp4", "mp4", {"split": {"seconds": 4.59}, "fps": 25, "preset": "medium", "resize": {"width": 480, "height": 480}}),
    ("film", "mp4", {"filmstrip": {"frames": 30}, "thumbnail": {"at": 20}, "trim": {"start": 2.02}})])
def test_units_of_other_codecs_and_edits(cut_user, same_user, source, new_format, options, tmp_path, inputs):
    options = {"crf": 22, "preset": "slow", **options}
    if options.get("codec") == "vp9":
        del options["preset"]
    source = inputs(source)
    tasks = [(user, upload(user, source, new_format, **options)) for user in (cut_user, same_user)]
    (receipt, cut), (whole_receipt, whole) = finish_both(tasks, tmp_path)
    for one, other in zip(cut, whole, strict=True):
        assert_alike(one, other)
    same = ("kept", "changed", "dropped", "warnings", "loudness", "input", "copied")
    assert {key: receipt[key] for key in same} == {key: whole_receipt[key] for key in same}


@pytest.mark.parametrize("new_format, options", [
    ("mp4", {"preset": "slow", "bitrate": 300_000}), ("webm", {"bitrate": 400_000}), ("mkv", {"codec": "hevc", "bitrate": 200_000}),
    ("mov", {"codec": "h264", "preset": "slow", "bitrate": 250_000, "fps": 25, "split": {"seconds": 10.3}, "logo": {"outro": 0.7}})])
def test_units_keep_to_a_bit_rate(cutting, cut_user, same_user, film, new_format, options, tmp_path):
    """As near to it as one run, and as good behind a seam as one run is in that place."""
    tasks = [(user, upload(user, film, new_format, **options)) for user in (cut_user, same_user)]
    rows = wait_for(lambda: cutting.sql(f"SELECT from_us FROM units WHERE task_id = {tasks[0][1]['id']} AND kind = 'video'"), "units", 30)
    (_, cut), (_, whole) = finish_both(tasks, tmp_path)
    for one, other in zip(cut, whole, strict=True):
        assert times(one) == times(other) and digest(one, "a") == digest(other, "a")
        assert stream_facts(one)[1:] == stream_facts(other)[1:]
        assert one.stat().st_size == pytest.approx(other.stat().st_size, rel=0.03)
    if "fps" in options:
        return
    one, other = frame_psnr(cut[0], film), frame_psnr(whole[0], film)
    assert sum(one) / len(one) > sum(other) / len(other) - 0.2
    for [from_us] in rows:
        seam = round(int(from_us) / 1e6 * 30)
        assert min(one[seam:seam + 15]) > min(other[seam:seam + 15]) - 1, seam


def samples(path):
    """The decoded samples of both channels together."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"],
                          capture_output=True, check=True)
    return array.array("h", done.stdout)


def errors(decoded, source, around, seconds):
    """How far decoded samples are from the source, as the root mean square of each 20 ms, so many seconds around a time."""
    step, first = RATE // 50, int((around - seconds) * RATE)
    return [math.sqrt(sum((decoded[i] - source[i]) ** 2 for i in range(at, at + step)) / step)
            for at in range(first, first + int(2 * seconds * RATE), step)]


@pytest.fixture(scope="module")
def lecture(media):
    """Tones that change, pauses and noise: an encoder has something to remember at most times."""
    return media.once("units-lecture.flac", lambda path: ffmpeg(
        "-f", "lavfi", "-i", "aevalsrc='0.3*sin(2*PI*t*(200+40*floor(mod(t,9.47))))*gt(mod(t,4.1),0.6)+0.08*random(0)*lt(mod(t,5.1),2)"
        f"|0.2*sin(2*PI*t*330)':d={LECTURE}:s={RATE}", path))


@pytest.mark.parametrize("new_format, begin", [("mp3", 0), ("m4a", 0), ("opus", 0), ("m4a", 21.37), ("ogg", 0), ("ogg", 3.3)])
def test_slices_of_audio_give_what_one_run_gives(cut_user, same_user, lecture, new_format, begin, tmp_path):
    """As long as the whole, and at a seam no further from the source than one run is near it; of Vorbis, the same to the bit."""
    (cut_task, cut), (whole_task, whole) = both(cut_user, same_user, lecture, new_format, tmp_path, **({"trim": {"start": begin}} if begin else {}))
    receipt = cut_task["receipt"]
    assert receipt.get("units", 0) > 3 and "units" not in whole_task["receipt"], receipt.get("uncut")
    same = ("kept", "changed", "dropped", "warnings", "loudness", "input", "copied")
    assert {key: receipt[key] for key in same} == {key: whole_task["receipt"][key] for key in same}
    assert stream_facts(cut)[1] == stream_facts(whole)[1]
    assert cut.stat().st_size == pytest.approx(whole.stat().st_size, rel=0.01)
    assert new_format != "ogg" or packets_of(cut) == packets_of(whole)
    one, other, source = samples(cut), samples(whole), samples(lecture)[round(begin * RATE):]
    assert len(one) == len(other)
    slices = receipt["units"] - 1
    for seam in ((LECTURE - begin) * i / slices for i in range(1, slices)):
        assert max(errors(one, source, seam, 0.06)) < 1.25 * max(errors(other, source, seam, 0.5)) + 8, seam


@pytest.fixture(scope="module")
def filmed_lecture(media, lecture):
    return media.once("units-lecture.mkv", lambda path: ffmpeg(
        "-i", lecture, "-f", "lavfi", "-i", f"testsrc2=size=320x240:rate=10:duration={LECTURE}", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50",
        "-c:a", "copy", path))


@pytest.mark.parametrize("source, new_format, options", [
    ("lecture", "mp3", {"loudness": -18}), ("lecture", "m4a", {"loudness": -18}), ("lecture", "opus", {"loudness": -6}),
    ("lecture", "ogg", {"loudness": -18}),
    ("filmed_lecture", "mp4", {"loudness": -20, "crf": 30, "preset": "slow"})])
def test_slices_look_for_a_gain_together(cutting, cut_user, same_user, source, new_format, options, tmp_path, request):
    """Each slice rehearses; what they have made when the loudness is right is the result."""
    target, rows = options["loudness"], []
    options = {**options, "trim": {"start": 20.5, "duration": 60}}

    def look(task):
        rows.extend(wait_for(lambda: cutting.sql(f"SELECT kind, from_us FROM units WHERE task_id = {task['id']}"), "units"))

    (cut_task, cut), (whole_task, whole) = both(cut_user, same_user, request.getfixturevalue(source), new_format, tmp_path, look, **options)
    receipt, other = cut_task["receipt"], whole_task["receipt"]
    assert ["level", "0"] in [list(row) for row in rows] and "units" not in other
    same = ("kept", "changed", "dropped", "warnings", "input", "copied")
    assert {key: receipt[key] for key in same} == {key: other[key] for key in same}
    assert receipt["loudness"]["in"] == other["loudness"]["in"]
    near = 0.3 if target > -10 else 0.1  # a limiter has to be far below what the codec lets peaks grow to
    for made in receipt, other:
        assert made["loudness"]["out"]["integrated"] == pytest.approx(target, abs=near)
        assert "gaps_filled" not in {warning["code"] for warning in made["warnings"]}
    assert receipt["loudness"]["out"]["true_peak"] == pytest.approx(other["loudness"]["out"]["true_peak"], abs=0.4)
    assert stream_facts(cut)[1] == stream_facts(whole)[1]
    one, reference = samples(cut), samples(whole)
    assert len(one) == len(reference)
    seams = [int(from_us) / 1e6 for kind, from_us in rows if kind == "audio" and from_us != "0"]
    assert len(seams) > 1
    for seam in seams:
        assert max(errors(one, reference, seam, 0.06)) < 1.25 * max(errors(one, reference, seam, 0.5)) + 8, seam
    nothing_is_left(cutting, cut_task)


@pytest.mark.parametrize("new_format, options", [
    ("mp3", {"split": {"seconds": 27.77}, "trim": {"start": 1}}), ("ogg", {"split": {"seconds": 45}, "trim": {"start": 3.21, "duration": 170}}),
    ("m4a", {"split": {"seconds": 25}, "trim": {"duration": 75}, "loudness": -20, "waveform": {"points": 50}})])
def test_parts_of_split_audio_are_those_of_one_run(cutting, cut_user, same_user, lecture, new_format, options, tmp_path):
    """Units make whole parts, so what was encoded is the same to the bit; with a wanted loudness, as loud."""
    made = []
    for name, (user, task) in {name: (user, upload(user, lecture, new_format, **options)) for name, user in (("cut", cut_user), ("whole", same_user))}.items():
        (tmp_path / name).mkdir()
        done = user.finish(task, 120)
        made.append((done, all_outputs(user, done, tmp_path / name)))
    (cut_task, cut), (whole_task, whole) = made
    receipt, other = cut_task["receipt"], whole_task["receipt"]
    assert receipt.get("units", 0) > 2 and "units" not in other, receipt.get("uncut")
    assert len(cut) == len(whole) > 2
    for one, reference in zip(cut, whole, strict=True):
        if "loudness" not in options:
            assert packets_of(one) == packets_of(reference) and stream_facts(one) == stream_facts(reference)
        elif one.suffix != ".json":
            assert stream_facts(one) == stream_facts(reference) and len(samples(one)) == len(samples(reference))
    same = ("kept", "changed", "dropped", "warnings", "input", "copied")
    assert {key: receipt[key] for key in same} == {key: other[key] for key in same}
    assert receipt["loudness"]["out"]["integrated"] == pytest.approx(other["loudness"]["out"]["integrated"], abs=0.1)
    nothing_is_left(cutting, cut_task)


def test_a_browser_plays_it_across_the_seams(cutting, cut_user, same_user, film, tmp_path, browser):
    cuts = set()

    def look(task):
        ranges = f"SELECT from_us FROM units WHERE task_id = {task['id']} AND kind = 'video'"
        cuts.update(wait_for(lambda: [int(us) / 1e6 for us, in cutting.sql(ranges) if int(us)], "its units", 30, 0.02))

    (_, cut), (_, whole) = both(cut_user, same_user, film, "mp4", tmp_path, look, crf=24, preset="slower")
    frame_s = 1 / 30
    times = [cut_s + n * frame_s for cut_s in sorted(cuts) for n in (-1.5, -0.5, 0.5, 1.5)]
    seen = player.play(browser, (cut, whole), times, frame_s)
    assert seen["played"] == pytest.approx(SECONDS, abs=0.1) and seen["corruptedVideoFrames"] == 0
    assert len(cuts) > 1 and max(seen["differences"]) < min(seen["steps"])


def units_of(stack, task):
    return stack.sql(f"SELECT n, kind, state FROM units WHERE task_id = {task['id']} ORDER BY n")


def records(stack, task):
    """The lines of the units' ends, of all workers."""
    return [(worker.name, record) for worker in stack.workers for record in worker.records()
            if record.get("task_id") == task["id"] and record.get("unit")]


def objects(stack, prefix):
    found = requests.get(f"{stack.emulator.url}/storage/v1/b/mediarun-test/o", params={"prefix": prefix}, timeout=10).json()
    return [item["name"] for item in found.get("items", [])]


def nothing_is_left(stack, task):
    """Neither rows nor objects, once the sweep has run."""
    assert not units_of(stack, task)
    stack.sweep_whole()
    assert not objects(stack, f"units/{task['file_id']}")


def running(stack, task):
    return wait_for(lambda: len([1 for _, record in records(stack, task)]) and units_of(stack, task), "a unit that is done", 60)


def test_workers_share_a_task_and_one_dies(cutting, cut_user, film, tmp_path):
    task = upload(cut_user, film, "mp4", crf=24, preset="slow")
    running(cutting, task)
    victim = cutting.workers[1]
    victim.signal(signal.SIGKILL)
    victim.wait()
    lines = victim.records()
    before = [(name, record) for name, record in records(cutting, task) if name == victim.name]
    victim.start()
    done = cut_user.finish(task, 120)

    def ends():
        return before + [end for end in records(cutting, task) if end not in before]

    def committed():
        return sorted(record["unit"] for _, record in ends() if record["end"] == "committed")

    wanted = list(range(1, done["receipt"]["units"] + 1))  # each unit is made once; what is logged follows the commit
    wait_for(lambda: len(committed()) >= len(wanted), "the end of each unit in the log")
    assert committed() == wanted
    assert len({name for name, _ in ends()}) == 2
    assert len(times(video_output.fetch(cut_user, done, tmp_path))) == SECONDS * 30
    nothing_is_left(cutting, task)
    lines += [record for worker in cutting.workers for record in worker.records() if record not in lines]
    recorded = {name: [point_of(METRICS[name], entry_of(record, "mediarun-worker")) for record in lines if record.get("task_id") == task["id"]]
                for name in ("mediarun_tasks_finished", "mediarun_conversion_seconds", "mediarun_queue_seconds")}
    found = {name: [point for point in points if point] for name, points in recorded.items()}
    labels = {"kind": "convert", "format": "mp4"}
    assert found["mediarun_tasks_finished"] == [({**labels, "outcome": "committed"}, 1)]  # as one task, not one of each unit
    [(of_time, seconds)] = found["mediarun_conversion_seconds"]
    assert of_time == labels and seconds >= done["receipt"]["wall_seconds"] - 1
    [(_, queued)] = found["mediarun_queue_seconds"]
    assert queued < 10


def states(stack, task):
    """Of the units of video."""
    return [state for _, kind, state in units_of(stack, task) if kind == "video"]


def test_cancel_stops_all_units(cutting, cut_user, film):
    """Of a task of high priority, whose units may take the slots of its lane as well: each worker has one of both."""
    task = cut_user.upload(film, "mp4", options=json.dumps({"crf": 20, "preset": "veryslow"}), priority="high")
    wait_for(lambda: states(cutting, task).count("running") > len(cutting.workers), "units in the high lane", 30, 0.02)
    assert cut_user.post(f"/api/tasks/{task['id']}/cancel").status_code == 200
    wait_for(lambda: not [1 for worker in cutting.workers for pid in worker.descendants()[1:]], "the end of the units", 2)
    nothing_is_left(cutting, task)


def push(stack, **message):
    """As Pub/Sub does it, for the emulator's window may be full."""
    data = base64.b64encode(json.dumps({"v": 1, "generation": 1, **message}).encode()).decode()
    body = {"message": {"data": data, "messageId": "1", "publishTime": "2026-01-01T00:00:00Z"}, "subscription": f"projects/{PROJECT}/subscriptions/s"}
    return requests.post(stack.worker_url, timeout=60, json=body,
                         headers={"Authorization": f"Bearer {stack.token_of_platform(stack.worker_url)}"}).status_code


def test_a_short_task_does_not_wait_for_all_units(cutting, cut_user, film):
    """Of the same user. Where the share of units is less than a slot they take turns with it."""
    task = upload(cut_user, film, "mp4", crf=20, preset="veryslow")
    wait_for(lambda: states(cutting, task).count("running") == len(cutting.workers), "busy slots", 30, 0.02)
    short = cut_user.post("/api/tasks", json={"kind": "insert_records", "records": 10}).json()["task"]
    assert push(cutting, kind="insert_records", task_id=short["id"]) == 204
    assert cut_user.task(short["id"])["status"] == "processed"
    assert "waiting" in states(cutting, task)
    assert cut_user.post(f"/api/tasks/{task['id']}/cancel").status_code == 200


def test_a_worker_that_comes_later_takes_what_waits(cutting, cut_user, media):
    """Units that wait in a worker without a slot for them are put off, and run where a slot is idle."""
    late = cutting.workers[1]
    late.stop()
    task = upload(cut_user, clip(media, "units-long.mp4", seconds=5 * SECONDS), "mp4", crf=20, preset="veryslow")
    wait_for(lambda: states(cutting, task).count("waiting") > 3, "units", 30, 0.02)
    units = [n for n, kind, state in units_of(cutting, task) if kind == "video" and state == "waiting"]
    with concurrent.futures.ThreadPoolExecutor(len(units)) as pool:
        answers = list(pool.map(lambda n: push(cutting, kind="unit", task_id=task["id"], id=int(n)), units))
    assert set(answers) == {204}
    assert "deferred" in {record.get("end") for record in cutting.worker.records()}
    assert states(cutting, task).count("waiting") > 1
    late.start()
    wait_for(lambda: states(cutting, task).count("running") == 2, "a unit in the late worker", 10, 0.02)
    assert cut_user.post(f"/api/tasks/{task['id']}/cancel").status_code == 200


def test_put_keeps_what_units_have_made(cutting, cut_user, film, tmp_path):
    """The same video with other audio: what is done is not done again, and the task ends as one that was never changed."""
    task = upload(cut_user, film, "mp4", crf=24, preset="slow")
    running(cutting, task)
    change = {"newFormat": "mp4", "options": {"crf": 24, "preset": "slow", "sample_rate": 22050}}
    assert cut_user.request("PUT", f"/api/tasks/{task['id']}", json=change).status_code == 200
    done = cut_user.finish(task, 120)
    twice = [record["unit"] for _, record in records(cutting, task) if record["end"] == "committed"]
    assert len(twice) == len(set(twice)) == done["receipt"]["units"]
    path = video_output.fetch(cut_user, done, tmp_path)
    assert len(times(path)) == SECONDS * 30 and '"22050"' in json.dumps(streams(path))
    nothing_is_left(cutting, task)


def test_a_task_that_takes_too_long_ends(cutting, cut_user, film):
    task = upload(cut_user, film, "mp4", crf=24, preset="slow")
    running(cutting, task)
    cutting.sql(f"UPDATE tasks SET first_claimed_at = now() - interval '25 h' WHERE id = {task['id']}")
    task = cut_user.wait(task, 30)
    assert task["status"] == "failed" and task["error"]["code"] == "task_too_long"
    nothing_is_left(cutting, task)


def replace_input(stack, task):
    """Another file in the place of the task's."""
    name = stack.sql(f"SELECT input_object FROM tasks WHERE id = {task['id']}")[0][0]
    done = requests.post(f"{stack.emulator.url}/upload/storage/v1/b/mediarun-test/o", timeout=10,
                         params={"uploadType": "media", "name": name}, data=b"another file")
    assert done.status_code == 200


def test_a_file_that_is_replaced_meanwhile_fails_the_task(cutting, cut_user, film, media):
    task, whole = upload(cut_user, film, "mp4", crf=24, preset="slow"), cut_user.upload(media.tone(), "mp3")
    whole = cut_user.finish(whole, 60)
    running(cutting, task)
    replace_input(cutting, task)
    replace_input(cutting, whole)
    assert cut_user.request("PUT", f"/api/tasks/{whole['id']}", json={"newFormat": "ogg"}).status_code == 200
    for ended in (cut_user.wait(task, 30), cut_user.wait(whole, 30)):
        assert ended["status"] == "failed" and ended["error"]["code"] == "input_changed"
    nothing_is_left(cutting, task)


def test_a_unit_that_fails_ends_the_task(cutting, cut_user, media):
    noise = clip(media, "units-noise.mp4", "-g", "30", "-vf", "noise=alls=100:allf=t:enable='gte(t,6)'", seconds=12)
    task = cut_user.wait(upload(cut_user, noise, "mp4", crf=0, preset="slow"), 60)
    assert task["status"] == "failed" and task["error"]["code"] == "resource_limit"
    assert re.match(r"at 00:00:\d\d: output is larger than", task["error"]["detail"])
    nothing_is_left(cutting, task)


def test_what_cannot_be_cut_runs_as_one_job(cutting, cut_user, film, lecture, tmp_path):
    data = bytearray(film.read_bytes())
    middle = len(data) // 2
    data[middle:middle + 3000] = bytes(3000)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    task = cut_user.finish(upload(cut_user, broken, "mp4", crf=25, preset="fast"), 60)
    assert task["receipt"]["uncut"] == "packets are damaged" and "units" not in task["receipt"]
    assert {warning["code"] for warning in task["receipt"]["warnings"]} == {"damaged_packets"}
    nothing_is_left(cutting, task)
    task = cut_user.finish(upload(cut_user, film, "mp4", codec="av1", bitrate=400_000, preset="fast"), 60)
    assert task["receipt"]["uncut"] == "its encoder keeps to a bit rate over the whole"


def test_vorbis_that_does_not_meet_runs_as_one_job(cutting, cut_user, media):
    """Bursts move its windows; the tones behind them have nothing by which an encoder that begins later would find out."""
    steady = media.once("units-steady.flac", lambda path: ffmpeg(
        "-f", "lavfi", "-i", "aevalsrc='0.2*sin(2*PI*330*t)+0.4*random(0)*lt(mod(t,0.31),0.05)*lt(t,20)|0.2*sin(2*PI*440*t)'"
        f":d={LECTURE}:s={RATE}", path))
    task = cut_user.finish(upload(cut_user, steady, "ogg"), 120)
    assert "did not make the same packet where they meet" in task["receipt"]["uncut"] and "units" not in task["receipt"]
    nothing_is_left(cutting, task)
