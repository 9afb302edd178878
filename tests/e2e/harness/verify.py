"""
Reads a result again, and compares it with its input and with its receipt: durations, audio against video, decoded content,
streams with what is said of them, covers. What does not agree is listed with what the receipt says and what the file says.
"""

import array
import operator
import re

from . import measure, receipts, sample_videos

STEP = 12  # every 12th sample is compared: 4 kHz
SHIFT = 0.010  # seconds by which codecs smear a sudden start
LENGTH = 0.060  # seconds: the last frame of a codec, and the rounding of containers
SEARCH = 0.100  # how far content that is elsewhere is looked for
ROUNDING = 0.001  # seconds
LIKE = 0.97  # of 1; a codec at a usual bit rate is above
LOSSLESS = re.compile(r"(pcm_s16|pcm_s24|flac|alac)")
FACTS = ("forced", "comment", "hearing_impaired")
SAME_LANGUAGE = {"deu": "ger", "fra": "fre", "und": None}


class Contradictions:
    """A list of sentences, each with both views."""

    def __init__(self, task, source, result):
        self.receipt, self.source, self.result, self.found = task["receipt"], source, result, []
        self.before, self.after = measure.probe(source), measure.probe(result)
        self.changed = {one["what"]: one for one in self.receipt["changed"]}
        self.gone = {one["what"] for one in self.receipt["dropped"]}
        self.kept = set(self.receipt["kept"])

    def unless(self, agrees, what, told, seen):
        if not agrees:
            self.found.append(f"{what}: the receipt says {told}, the file {seen}")

    # Streams

    def streams(self, kind):
        """Pairs of the input's and the output's streams of a kind, in their order."""
        came, left = ([s for s in receipts.streams(info) if receipts.kind(s) == kind] for info in (self.before, self.after))
        came = [s for s in came if receipts.Changes.named(s) not in self.gone]
        listed = [s["codec"] for s in self.receipt["output"]["streams"] if s["type"] == kind]
        self.unless(len(came) == len(left), f"number of {kind} streams", f"{len(came)} are not dropped", f"has {len(left)}")
        self.unless(listed == [s["codec_name"] for s in left], f"codecs of {kind}", listed, [s["codec_name"] for s in left])
        return list(zip(came, left))

    def check_streams(self):
        for kind in ("video", "audio", "subtitle"):
            pairs = self.streams(kind)
            for came, left in pairs:
                for fact, values in said(came, left, of_many=len(pairs) > 1).items():
                    self.check_fact(f"{kind}:{came['index']}.{fact}", *values)

    def check_fact(self, what, before, after):
        told = "kept" if what in self.kept else "dropped" if what in self.gone else "changed" if what in self.changed else "nothing"
        agrees = {"kept": before == after, "dropped": before != after, "nothing": before == after or not before}
        self.unless(agrees.get(told, True), what, told, f"{after!r} where the input has {before!r}")

    # Content

    def padding(self):
        """Seconds of silence that the receipt tells before the first sample."""
        told = self.changed.get("audio.padding", {"to": "0 samples"})["to"]
        return int(told.split()[0]) / int(measure.audio_stream(self.after)["sample_rate"])

    def lag(self):
        """By how much the audio of the result should be later than that of the input, in seconds of the files."""
        came, left = (_starts(path, info) for path, info in ((self.source, self.before), (self.result, self.after)))
        begin = came.get("video", 0) if "video" in left else max(min(came.values(), default=0), 0)
        return left.get("video", 0) - begin + self.padding()

    def slack(self):
        """Seconds by which audio and video may come apart: containers round times, and encoded frames are evenly apart."""
        if not has_video(self.after) or "video_encoder" not in self.receipt["engine"]:
            return ROUNDING
        rates = receipts.Rate(next(s for s in self.after["streams"] if receipts.kind(s) == "video")).rates
        return ROUNDING + 0.5 / min(rate for rate in rates if rate)

    def check_audio(self, values):
        """values: the result's samples, if they were decoded already."""
        own, values = _audio(self.source), values or _audio(self.result)
        lag = self.lag()
        shift = measure.onset(values) - measure.onset(own) - lag
        self.unless(abs(shift) <= SHIFT + self.slack(), "start of the audio", f"{lag:.3f} s later", f"{lag + shift:.3f} s later")
        told, seen = self.receipt["output"]["duration_ms"] / 1000, measure.duration(values)
        self.unless(abs(told - seen + lag) <= LENGTH + self.slack(), "duration", f"{told:.3f} s", f"{seen - lag:.3f} s of audio")
        likeness = like_near(own, values, lag, self.slack())
        if likeness < LIKE:
            self.unless(False, "content of the audio", f"nothing, but only {likeness:.2f} of it is that of the input",
                        f"has it {best(own, values):.3f} s later")
        if self.is_exact() and lag == 0:
            same = own == values
            self.unless(same, "samples", "a copy, or lossless", f"has {len(values)} for {len(own)}, or others")

    def is_exact(self):
        codecs = [measure.audio_stream(info)["codec_name"] for info in (self.before, self.after)]
        form = {"audio.sample_rate", "audio.channels", "audio.layout"} & self.changed.keys()
        lossless = all(LOSSLESS.match(codec) for codec in codecs) and codecs[1] >= "pcm_s24" * codecs[0].startswith("pcm_s24")
        return not form and (self.receipt["copied"] or lossless)

    def check_ends(self):
        """Video and audio of the result end together as they do in the input, or nearer."""
        came, left = (sample_videos.ends(path) for path in (self.source, self.result))
        if {"video", "audio"} <= came.keys() and {"video", "audio"} <= left.keys():
            apart, now = (abs(ends["video"][1] - ends["audio"][1]) for ends in (came, left))
            self.unless(now <= apart + LENGTH, "end of the audio", "nothing", f"is {now:.3f} s apart, not {apart:.3f} s")

    def check_covers(self):
        came, left = ([s for s in info["streams"] if receipts.kind(s) == "cover"] for info in (self.before, self.after))
        dropped = sum(what.split(":")[0] == "cover_art" for what in self.gone)
        self.unless(len(left) == len(came) - dropped, "covers", f"{dropped} dropped", f"{len(left)} of {len(came)}")
        for one, other in zip(came, left if not dropped else []):
            sizes = [(s["width"], s["height"]) for s in (one, other)]
            self.unless(sizes[0] == sizes[1], "size of the cover", sizes[0], sizes[1])


def said(came, left, of_many):
    """fact → (of the input, of the output). Which track is the default says something only of_many."""
    facts = {"language": [SAME_LANGUAGE.get(s.get("tags", {}).get("language"), s.get("tags", {}).get("language"))
                          for s in (came, left)],
             "title": [s.get("tags", {}).get("title") for s in (came, left)]}
    if came["codec_type"] != "video":
        facts.update({name: [s["disposition"][name] for s in (came, left)] for name in FACTS + ("default",) * of_many})
    return facts


def has_audio(info):
    return any(receipts.kind(stream) == "audio" for stream in info["streams"])


def has_video(info):
    return any(receipts.kind(stream) == "video" for stream in info["streams"])


def _audio(path):
    return measure.heard(path) if has_video(measure.probe(path)) else measure.samples(path)


def _starts(path, info):
    """Type of stream → where it begins, in a file with video."""
    return {kind: start for kind, (start, _) in (sample_videos.ends(path) if has_video(info) else {}).items()}


def like(own, values, lag):
    """How alike two pieces of audio are if the second is late by lag seconds: 1 if they differ by a factor alone."""
    shift = round(lag * measure.RATE)
    one, other = own[max(-shift, 0)::STEP], values[max(shift, 0)::STEP]
    count = min(len(one), len(other))
    one, other = one[:count], other[:count]
    power = sum(map(operator.mul, one, one)) * sum(map(operator.mul, other, other))
    return sum(map(operator.mul, one, other)) / max(power, 1) ** 0.5


def like_near(own, values, lag, slack):
    """The same for the best of the lags that are not further away than slack."""
    steps = round(4000 * slack)  # a quarter of a millisecond each
    tried = (like(own, values, lag + step / 4000) for step in sorted(range(-steps, steps + 1), key=abs))
    found = 0
    for likeness in tried:
        found = max(found, likeness)
        if found >= LIKE:
            break
    return found


def best(own, values):
    """The lag at which they are most alike."""
    lags = [step / 1000 for step in range(round(-SEARCH * 1000), round(SEARCH * 1000) + 1)]
    return max(lags, key=lambda lag: like(own, values, lag))


def assert_agrees(task, source, result, values: array.array | None = None):
    """Nothing in the receipt of a conversion without edits contradicts the files."""
    found = Contradictions(task, source, result)
    found.check_streams()
    found.check_covers()
    if has_audio(found.after):
        found.check_audio(values)
        found.check_ends()
    assert not found.found, f"{source.name} to {result.name}:\n" + "\n".join(found.found)
