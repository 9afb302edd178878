"""
The judge of receipts. What one says of its input and its outputs is compared with what ffprobe sees there; then its account
has to be whole: each stream, tag, cover, chapter and turn of the input is in the output, or named with a reason.
"""

import fractions
import re

import pytest

from . import measure

# What containers and encoders write of themselves, and no user: neither carried nor accounted for.
TECHNICAL = re.compile(r"(encoder|major_brand|minor_version|compatible_brands|creation_time|handler_name|vendor_id|duration|"
                       r"language|number_of_.*|_statistics_.*|wmfsdk.*|isvbr|deviceconformancetemplate|chapter\d+(name)?|"
                       r"metadata_block_picture|bps|itunsmpb)$")
PROBED_MS = 40  # that a container's idea of a length may lie from the decoded one


# ---- ffprobe's view -------------------------------------------------------------------------


def kind(stream):
    return "cover" if stream["disposition"]["attached_pic"] else stream["codec_type"]


def turn(stream):
    """Degrees clockwise by which players turn it."""
    return next((-data["rotation"] % 360 for data in stream.get("side_data_list", []) if "rotation" in data), 0)


class Rate:
    """Equals the average over the file, or, where a frame is missing somewhere, the rate of the others."""

    def __init__(self, stream):
        words = (stream.get(key, "0/0") for key in ("avg_frame_rate", "r_frame_rate"))
        self.rates = [float(fractions.Fraction(word)) for word in words if not word.endswith("/0")]

    def __eq__(self, told):
        return any(abs(float(told) - rate) < 0.001 for rate in self.rates) if told is not None else not self.rates

    def __repr__(self):
        return f"Rate{self.rates}"


def _ratio(stream):
    return stream.get("sample_aspect_ratio", "1:1").replace("0:1", "1:1")


# key of a receipt's stream → what ffprobe says; None: it does not say
FACTS = {
    "video": {"width": lambda s: s["width"], "height": lambda s: s["height"], "fps": Rate, "rotation": turn,
              "sample_aspect_ratio": _ratio, "pixel_format": lambda s: s["pix_fmt"]},
    "audio": {"sample_rate": lambda s: int(s["sample_rate"]), "channels": lambda s: s["channels"],
              "layout": lambda s: s.get("channel_layout")},
}
EVERY = {"index": lambda s: s["index"], "type": kind, "codec": lambda s: s["codec_name"]}
MAYBE = {"bit_rate": lambda s: int(s.get("bit_rate", 0)) or None, "language": lambda s: s.get("tags", {}).get("language"),
         "title": lambda s: s.get("tags", {}).get("title")}


def tags(info):
    """The user's tags of a file: of its container, or (Ogg) of its first stream."""
    found = info["format"].get("tags") or info["streams"][0].get("tags", {})
    return {key.lower(): value for key, value in found.items() if not TECHNICAL.match(key.lower())}


def chapters(info):
    return [(round(float(one["start_time"]), 2), one.get("tags", {}).get("title")) for one in info["chapters"]]


def is_chapter_track(stream, info):
    """QuickTime's players find chapters in a text track; it is no stream of its own."""
    return bool(info["chapters"]) and stream["codec_type"] == "data" and stream["codec_tag_string"] == "text"


def streams(info):
    return [stream for stream in info["streams"] if not is_chapter_track(stream, info)]


# ---- the halves -----------------------------------------------------------------------------


def assert_stream(told, seen):
    expected = {key: see(seen) for key, see in {**EVERY, **FACTS.get(kind(seen), {})}.items()}
    expected.update({key: see(seen) for key, see in MAYBE.items() if key in told})
    expected = {key: value for key, value in expected.items() if value is not None}
    if seen["codec_name"] == "gif" and told.get("pixel_format") == "pal8":
        expected["pixel_format"] = "pal8"  # a palette; ffprobe names what it decodes it to
    assert {key: told.get(key) for key in expected} == expected


def assert_top(facts, seen):
    """The main stream's facts stand at the top, too."""
    first = {name: next((s for s in seen if kind(s) == name), None) for name in ("video", "audio")}
    main = first["video"] or first["audio"]
    assert facts["codec"] == main["codec_name"]
    if first["video"]:
        assert (facts["width"], facts["height"]) == (main["width"], main["height"])
    if first["audio"]:
        assert facts["sample_rate"] == int(first["audio"]["sample_rate"]) and facts["channels"] == first["audio"]["channels"]


def assert_half(facts, path, info, length_ms=None):
    """length_ms: of what was decoded; for want of it what ffprobe says."""
    assert facts["size"] == path.stat().st_size == int(info["format"]["size"])
    seen = streams(info)
    assert len(facts["streams"]) == len(seen)
    for told, stream in zip(facts["streams"], seen):
        assert_stream(told, stream)
    assert facts["duration_ms"] == pytest.approx(length_ms or float(info["format"]["duration"]) * 1000, abs=PROBED_MS)
    assert_top(facts, seen)


def assert_input(facts, path, info, length_ms=None):
    """The whole of an input's half, of a receipt or of a probe."""
    assert_half(facts, path, info, length_ms=length_ms)
    assert facts["container"] in info["format"]["format_name"].split(",")
    assert facts["chapters"] == len(info["chapters"])
    assert {key: value for key, value in facts["tags"].items() if not TECHNICAL.match(key)} == tags(info)


# ---- the account ----------------------------------------------------------------------------


class Account:
    """kept, changed and dropped of a receipt, beside the files before and after."""

    def __init__(self, receipt, before, after):
        self.kept, self.dropped, self.before, self.after = receipt["kept"], receipt["dropped"], before, after
        self.changed = {one["what"]: (one["from"], one["to"]) for one in receipt["changed"]}
        self.gone = {one["what"] for one in self.dropped}
        assert all(one["why"] and one["from"] != "" and one["to"] for one in receipt["changed"]), receipt["changed"]
        assert all(one["why"] for one in self.dropped), self.dropped
        names = [*self.kept, *self.changed, *self.gone]
        assert len(names) == len(set(names)) == len(self.kept) + len(receipt["changed"]) + len(self.dropped), names

    def main(self, info, name):
        """The stream of a kind that is converted: the only one, or the one that is not named as dropped."""
        found = [s for s in streams(info) if kind(s) == name and self.named(s) not in self.gone]
        assert len(found) <= 1
        return found[0] if found else None

    @staticmethod
    def named(stream):
        return f"{stream['codec_type']}:{stream['index']} ({stream['codec_name']})"

    def judge(self):
        self.judge_streams()
        self.judge_tags()
        self.judge_cover_and_chapters()
        self.judge_rotation()
        self.judge_changes()

    def judge_streams(self):
        inputs = {self.named(stream) for stream in streams(self.before) if kind(stream) != "cover"}
        named = {what for what in self.gone if re.match(r"\w+:\d+ \(", what)}
        assert named <= inputs, "only what there was can be dropped"
        for name in ("video", "audio", "subtitle"):
            came, left = ([s for s in streams(info) if kind(s) == name] for info in (self.before, self.after))
            lost = [s for s in came if self.named(s) in named]
            assert len(came) == len(left) + len(lost), f"{name}: each is in the result or named"
        assert ("subtitles" in self.kept) == any(kind(s) == "subtitle" for s in self.after["streams"])

    def judge_tags(self):
        before, after = tags(self.before), tags(self.after)
        kept, gone = ({what[4:] for what in names if what.startswith("tag:")} for names in (self.kept, self.gone))
        assert kept | gone == set(before), "each tag is kept or dropped"
        if "software" not in kept and after.get("software", "").startswith("Lavf"):
            del after["software"]  # RIFF's muxer signs its work
        assert after == {key: before[key] for key in kept}, "what is kept is there, and nothing else"

    def judge_cover_and_chapters(self):
        covers = [any(kind(s) == "cover" for s in info["streams"]) for info in (self.before, self.after)]
        assert covers == ["cover_art" in self.kept or "cover_art" in self.gone, "cover_art" in self.kept]
        before, after = chapters(self.before), chapters(self.after)
        assert bool(before) == ("chapters" in self.kept or "chapters" in self.gone)
        assert after == (before if "chapters" in self.kept else [])

    def judge_rotation(self):
        before, after = (self.main(info, "video") for info in (self.before, self.after))
        if not before or not turn(before):
            assert not after or not turn(after)
            assert "rotation" not in {*self.kept, *self.changed, *self.gone}
        elif after:
            assert turn(after) == (turn(before) if "rotation" in self.kept else 0)
            assert "rotation" in self.kept or self.changed.pop("rotation") == (str(turn(before)), "0")

    def judge_changes(self):
        """What differs is named with both values; what is named differs, but for a codec of which all is encoded anew."""
        expected = {}
        for name, facts in ALTERS.items():
            before, after = (self.main(info, name) for info in (self.before, self.after))
            if before and after:
                expected.update({f"{name}.{key}": (see(before), see(after)) for key, see in facts.items()
                                 if see(before) != see(after)})
        rest = {what: values for what, values in self.changed.items() if what not in ALWAYS_SAID or values[0] != values[1]}
        self.judge_rate(rest.pop("video.fps", None))
        if "video.pixel_format" in rest and self.main(self.after, "video")["codec_name"] == "gif":
            assert rest.pop("video.pixel_format")[1] == "pal8"  # a palette, though ffprobe names what it decodes it to
            expected.pop("video.pixel_format", None)
        assert rest == expected

    def judge_rate(self, told):
        before, after = (self.main(info, "video") for info in (self.before, self.after))
        if told:
            assert Rate(before) == told[0] and Rate(after) == told[1] and told[0] != told[1]
        elif before and after:
            assert any(Rate(after) == rate for rate in Rate(before).rates)


ALTERS = {
    "video": {"codec": lambda s: s["codec_name"], "size": lambda s: f"{s['width']}x{s['height']}",
              "pixel_format": lambda s: s["pix_fmt"]},
    "audio": {"codec": lambda s: s["codec_name"], "sample_rate": lambda s: s["sample_rate"],
              "channels": lambda s: str(s["channels"])},
}
ALWAYS_SAID = ("video.codec", "audio.codec")


# ---- the whole ------------------------------------------------------------------------------


def assert_loudness(receipt, sound):
    """Told where sound was encoded; of a copy, where it was decoded all the same, and then it is as loud as it was."""
    loudness, encoded = receipt["loudness"], "audio_encoder" in receipt["engine"]
    assert loudness or not (sound and encoded)
    assert encoded or not loudness or loudness["in"] == loudness["out"]
    for side in ("in", "out") if loudness else ():
        assert -70 <= loudness[side]["integrated"] <= 0 and -70 <= loudness[side]["true_peak"] <= 3


def assert_work(receipt, changed):
    assert receipt["cpu_seconds"] > 0
    assert all(re.match(r"\d+\.\d+\.\d+$", receipt["engine"][name]) for name in ("libavformat", "libavcodec", "libavfilter"))
    for name in ("video", "audio"):
        assert (f"{name}.codec" in changed) == (f"{name}_encoder" in receipt["engine"]), name
    assert receipt["copied"] == (not {"video_encoder", "audio_encoder"} & receipt["engine"].keys())


def assert_receipt(receipt, source, result, seconds):
    """Of a conversion into one file, of a source that is so long."""
    before, after = measure.probe(source), measure.probe(result)
    assert_input(receipt["input"], source, before, seconds * 1000)
    assert receipt["output"] == receipt["outputs"][0] and len(receipt["outputs"]) == 1
    assert_half(receipt["output"], result, after, seconds * 1000)
    changed = {one["what"] for one in receipt["changed"]}
    assert_loudness(receipt, any(kind(stream) == "audio" for stream in after["streams"]))
    assert_work(receipt, changed)
    Account(receipt, before, after).judge()
