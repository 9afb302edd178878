"""
Checks of receipts. What a receipt says about input and outputs must match ffprobe. And it must be complete: each stream, tag,
cover, chapter and rotation of the input is either in the output or listed with a reason.
"""

import fractions
import re

import pytest

from . import measure

# Tags that muxers and encoders write themselves: neither copied nor listed.
TECHNICAL = re.compile(r"(encoder|major_brand|minor_version|compatible_brands|handler_name|alpha_mode|enc[a-z]*_?(options|settings|tool)|vendor_id|duration|"
                       r"language|number_of_.*|_statistics_.*|wmfsdk.*|isvbr|deviceconformancetemplate|chapter\d+(name)?|"
                       r"metadata_block_picture|bps|itunsmpb)$")
PROBED_MS = 40  # by which a container's duration may differ from the decoded one


def kind(stream):
    return "cover" if stream["disposition"]["attached_pic"] else stream["codec_type"]


def rotation(stream):
    """Degrees clockwise by which players rotate it."""
    return next((-data["rotation"] % 360 for data in stream.get("side_data_list", []) if "rotation" in data), 0)


class Rate:
    """Equals the average frame rate, or, where a frame is missing somewhere, the rate of the others."""

    def __init__(self, stream):
        words = (stream.get(key, "0/0") for key in ("avg_frame_rate", "r_frame_rate"))
        self.rates = [float(fractions.Fraction(word)) for word in words if not word.endswith("/0")]

    def __eq__(self, reported):
        return any(abs(float(reported) - rate) < 0.001 for rate in self.rates) if reported is not None else not self.rates

    def __repr__(self):
        return f"Rate{self.rates}"


def _ratio(stream):
    return stream.get("sample_aspect_ratio", "1:1").replace("0:1", "1:1")


# key of a stream in a receipt → what ffprobe reports; None: it reports nothing
FACTS = {
    "video": {"width": lambda s: s["width"], "height": lambda s: s["height"], "fps": Rate, "rotation": rotation,
              "sample_aspect_ratio": _ratio, "pixel_format": lambda s: s["pix_fmt"]},
    "audio": {"sample_rate": lambda s: int(s["sample_rate"]), "channels": lambda s: s["channels"],
              "layout": lambda s: s.get("channel_layout")},
}
EVERY = {"index": lambda s: s["index"], "type": kind, "codec": lambda s: s["codec_name"]}
MAYBE = {"bit_rate": lambda s: int(s.get("bit_rate", 0)) or None, "language": lambda s: s.get("tags", {}).get("language"),
         "title": lambda s: s.get("tags", {}).get("title")}


def tags(info):
    """The user's tags of a file: those of its container, or (Ogg) of its first stream."""
    found = info["format"].get("tags") or info["streams"][0].get("tags", {})
    return {key.lower(): value for key, value in found.items() if not TECHNICAL.match(key.lower())}


def in_short(key, value):
    """Without the zeros that containers add to places and times."""
    return re.sub(r"\.?0+(?=[/+Z-]|$)", "", value) if key in ("location", "creation_time") else value


def chapters(info):
    return [(round(float(one["start_time"]), 2), one.get("tags", {}).get("title")) for one in info["chapters"]]


def is_chapter_track(stream, info):
    """QuickTime stores chapters in a text track, which is not counted as a stream."""
    return bool(info["chapters"]) and stream["codec_type"] == "data" and stream["codec_tag_string"] == "text"


def streams(info):
    return [stream for stream in info["streams"] if not is_chapter_track(stream, info)]


def assert_stream(reported, seen):
    expected = {key: see(seen) for key, see in {**EVERY, **FACTS.get(kind(seen), {})}.items()}
    expected.update({key: see(seen) for key, see in MAYBE.items() if key in reported})
    expected = {key: value for key, value in expected.items() if value is not None}
    if seen.get("tags", {}).get("ALPHA_MODE", seen.get("tags", {}).get("alpha_mode")) == "1":
        expected["pixel_format"] = expected["pixel_format"].replace("yuv", "yuva")  # ffprobe does not decode the alpha
    if seen["codec_name"] == "gif" and reported.get("pixel_format") == "pal8":
        expected["pixel_format"] = "pal8"  # a palette; ffprobe reports the format it decodes to
    assert {key: reported.get(key) for key in expected} == expected


def assert_top(facts, seen):
    """The facts of the main stream are at the top as well."""
    first = {name: next((s for s in seen if kind(s) == name), None) for name in ("video", "audio")}
    main = first["video"] or first["audio"]
    assert facts["codec"] == main["codec_name"]
    if first["video"]:
        assert (facts["width"], facts["height"]) == (main["width"], main["height"])
    if first["audio"]:
        assert facts["sample_rate"] == int(first["audio"]["sample_rate"]) and facts["channels"] == first["audio"]["channels"]


def assert_file(facts, path, info, length_ms=None):
    """length_ms: the decoded duration; None: what ffprobe reports."""
    assert facts["size"] == path.stat().st_size == int(info["format"]["size"])
    seen = streams(info)
    assert len(facts["streams"]) == len(seen)
    for reported, stream in zip(facts["streams"], seen):
        assert_stream(reported, stream)
    assert facts["duration_ms"] == pytest.approx(length_ms or float(info["format"]["duration"]) * 1000, abs=PROBED_MS)
    assert_top(facts, seen)


def assert_input(facts, path, info, length_ms=None):
    """The description of an input, in a receipt or in the result of a probe."""
    assert_file(facts, path, info, length_ms=length_ms)
    assert facts["container"] in info["format"]["format_name"].split(",")
    assert facts["chapters"] == len(info["chapters"])
    assert {key: value for key, value in facts["tags"].items() if not TECHNICAL.match(key)} == tags(info)


class Changes:
    """kept, changed and dropped of a receipt, compared with the files before and after."""

    def __init__(self, receipt, before, after):
        self.kept, self.dropped, self.before, self.after = receipt["kept"], receipt["dropped"], before, after
        self.changed = {one["what"]: (one["from"], one["to"]) for one in receipt["changed"]}
        self.gone = {one["what"] for one in self.dropped}
        assert all(one["why"] and one["from"] != "" and one["to"] for one in receipt["changed"]), receipt["changed"]
        assert all(one["why"] for one in self.dropped), self.dropped
        names = [*self.kept, *self.changed, *self.gone]
        assert len(names) == len(set(names)) == len(self.kept) + len(receipt["changed"]) + len(self.dropped), names

    def main(self, info, name):
        """The stream of a kind that is converted: the only one that is not listed as dropped."""
        found = [s for s in streams(info) if kind(s) == name and self.named(s) not in self.gone]
        assert len(found) <= 1
        return found[0] if found else None

    @staticmethod
    def named(stream):
        return f"{stream['codec_type']}:{stream['index']} ({stream['codec_name']})"

    def check(self):
        self.check_streams()
        self.check_tags()
        self.check_cover_and_chapters()
        self.check_rotation()
        self.check_changes()

    def check_streams(self):
        inputs = {self.named(stream) for stream in streams(self.before) if kind(stream) != "cover"}
        named = {what for what in self.gone if re.match(r"\w+:\d+ \(", what)}
        assert named <= inputs, "only streams of the input can be dropped"
        for name in ("video", "audio", "subtitle"):
            came, left = ([s for s in streams(info) if kind(s) == name] for info in (self.before, self.after))
            lost = [s for s in came if self.named(s) in named]
            assert len(came) == len(left) + len(lost), f"{name}: each stream is in the result or listed"
        assert ("subtitles" in self.kept) == any(kind(s) == "subtitle" for s in self.after["streams"])

    def check_tags(self):
        before, after = tags(self.before), tags(self.after)
        kept, gone = ({what[4:] for what in names if what.startswith("tag:")} for names in (self.kept, self.gone))
        other = {what[4:]: self.changed.pop(what) for what in list(self.changed) if what.startswith("tag:")}
        assert kept | gone | set(other) == set(before), "each tag is kept, changed or dropped"
        for key, (was, now) in other.items():  # another value, or another key
            assert after.pop(now) == before[key] if now in after else (before[key], after.pop(key)) == (was, now)
        after.pop("location-eng", None)  # libav shows the place twice
        if "software" not in kept and after.get("software", "").startswith("Lavf"):
            del after["software"]  # the WAV muxer writes its name
        assert {k: in_short(k, v) for k, v in after.items()} == {key: in_short(key, before[key]) for key in kept}, \
            "the result has the kept tags and no others"

    def check_cover_and_chapters(self):
        covers = [sum(kind(s) == "cover" for s in info["streams"]) for info in (self.before, self.after)]
        left = sum(what.split(":")[0] == "cover_art" for what in self.gone)
        assert covers[0] == covers[1] + left and bool(covers[1]) == ("cover_art" in self.kept), "each cover is kept or dropped"
        for what in [what for what in self.changed if what.startswith("cover_art")]:
            assert self.changed.pop(what)[1] == "mjpeg"
        before, after = chapters(self.before), chapters(self.after)
        assert bool(before) == ("chapters" in self.kept or "chapters" in self.gone)
        assert after == (before if "chapters" in self.kept else [])

    def check_rotation(self):
        before, after = (self.main(info, "video") for info in (self.before, self.after))
        if not before or not rotation(before):
            assert not after or not rotation(after)
            assert "rotation" not in {*self.kept, *self.changed, *self.gone}
        elif after:
            assert rotation(after) == (rotation(before) if "rotation" in self.kept else 0)
            assert "rotation" in self.kept or self.changed.pop("rotation") == (str(rotation(before)), "0")

    def check_changes(self):
        """Every difference is listed with both values, and nothing else, except a codec that is encoded again."""
        expected = {}
        for name, facts in COMPARED.items():
            before, after = (self.main(info, name) for info in (self.before, self.after))
            if before and after:
                expected.update({f"{name}.{key}": (see(before), see(after)) for key, see in facts.items()
                                 if see(before) != see(after)})
        rest = {what: values for what, values in self.changed.items() if what not in ALWAYS_LISTED or values[0] != values[1]}
        self.check_rate(rest.pop("video.fps", None))
        rest.pop("audio.padding", None)
        assert rest.pop("transparency", ("", "#"))[1].startswith("#")
        if "video.pixel_format" in rest and self.main(self.after, "video")["codec_name"] == "gif":
            assert rest.pop("video.pixel_format")[1] == "pal8"  # a palette; ffprobe reports the format it decodes to
            expected.pop("video.pixel_format", None)
        assert rest == expected

    def check_rate(self, listed):
        before, after = (self.main(info, "video") for info in (self.before, self.after))
        if listed:
            assert Rate(before) == listed[0] and Rate(after) == listed[1] and listed[0] != listed[1]
        elif before and after:
            assert any(Rate(after) == rate for rate in Rate(before).rates)


COMPARED = {
    "video": {"codec": lambda s: s["codec_name"], "size": lambda s: f"{s['width']}x{s['height']}",
              "pixel_format": lambda s: s["pix_fmt"]},
    "audio": {"codec": lambda s: s["codec_name"], "sample_rate": lambda s: s["sample_rate"],
              "channels": lambda s: str(s["channels"])},
}
ALWAYS_LISTED = ("video.codec", "audio.codec")


def assert_loudness(receipt, has_audio):
    """Reported where audio was encoded. A copy reports it if the audio was decoded; then it has not changed."""
    loudness, encoded = receipt["loudness"], "audio_encoder" in receipt["engine"]
    if loudness == "not measured":
        assert has_audio
        return
    assert loudness or not (has_audio and encoded)
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
    """The receipt of a conversion into one file; seconds: the length of the source."""
    before, after = measure.probe(source), measure.probe(result)
    assert_input(receipt["input"], source, before, seconds * 1000)
    assert receipt["output"] == receipt["outputs"][0] and len(receipt["outputs"]) == 1
    assert_file(receipt["output"], result, after, seconds * 1000)
    changed = {one["what"] for one in receipt["changed"]}
    assert_loudness(receipt, any(kind(stream) == "audio" for stream in after["streams"]))
    assert_work(receipt, changed)
    Changes(receipt, before, after).check()
