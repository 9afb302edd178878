"""What an output that was joined from units is beside the same in one run, and where it may show: at the seams."""

import collections
import json
import re
import subprocess

NEAR = 5  # frames from a seam
BEST_DB = 60  # of frames that are the same

Frames = collections.namedtuple("Frames", "psnr ssim")  # of each frame, in dB and from 0 to 1


def output_of(*command):
    return subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout


def packets(path, kind):
    """(times, end): the presentation times of a stream's packets in their order, and where the last one ends, in seconds."""
    found = json.loads(output_of("ffprobe", "-v", "error", "-select_streams", f"{kind}:0", "-show_entries",
                                 "packet=pts_time,duration_time", "-of", "json", path))["packets"]
    times = sorted(float(packet["pts_time"]) for packet in found)
    return times, max(float(packet["pts_time"]) + float(packet.get("duration_time", 0)) for packet in found)


def irregular(times, rate):
    """How many frames have the time of the one before, or leave a gap behind it."""
    steps = (later - earlier for earlier, later in zip(times, times[1:]))
    return sum(not 0.5 < step * rate < 1.5 for step in steps)


def differing(one, other):
    """Positions at which two lists differ."""
    return abs(len(one) - len(other)) + sum(a != b for a, b in zip(one, other))


def quality(path, source, rate, scratch):
    """The Frames of an output beside its source. They are paired by their number, since containers round times differently."""
    files = [scratch / "psnr", scratch / "ssim"]
    number = f"settb=1/{rate},setpts=N,split"
    graph = f"[0:v]{number}[a][c];[1:v]{number}[b][d];[a][b]psnr=stats_file={files[0]}[x];[c][d]ssim=stats_file={files[1]}[y]"
    output_of("ffmpeg", "-v", "error", "-i", path, "-i", source, "-filter_complex", graph, "-map", "[x]", "-map", "[y]", "-f", "null", "-")
    psnr, ssim = (file.read_text(encoding="ascii") for file in files)
    return Frames([min(float(value), BEST_DB) for value in re.findall(r"psnr_avg:([0-9.inf]+)", psnr)],
                  [float(value) for value in re.findall(r"All:([0-9.]+)", ssim)])


def worst_near(values, seams, rate):
    """The least value of the frames near a seam."""
    near = {number for seam in seams for number in range(round(seam * rate) - NEAR, round(seam * rate) + NEAR + 1)}
    return min(values[number] for number in near if 0 <= number < len(values))


def audio_hash(path):
    """Of the decoded samples."""
    return output_of("ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-f", "hash", "-hash", "sha256", "-")


def parameter_sets(path):
    """How many different sequence or picture parameter sets H.264 in MP4 has, in its header and between its frames."""
    sets = output_of("ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-bsf:v",
                     "h264_mp4toannexb,filter_units=pass_types=7-8", "-f", "data", "-")
    units = {unit.rstrip(b"\0") for unit in re.split(b"\0\0\1", sets) if unit.rstrip(b"\0")}
    kinds = collections.Counter(unit[0] & 0x1F for unit in units)
    assert set(kinds) == {7, 8}, kinds
    return max(kinds.values())


def stream_facts(path):
    """What the container says of its streams, with the encoders' headers."""
    streams = json.loads(output_of("ffprobe", "-v", "error", "-show_streams", "-show_data_hash", "md5", "-of", "json", path))["streams"]
    keys = ("codec_name", "profile", "level", "pix_fmt", "width", "height", "extradata_hash", "start_time", "duration", "nb_frames",
            "avg_frame_rate", "has_b_frames")
    return [stream.get(key) for stream in streams for key in keys]
