"""Invalid or excessive requests for videos, and files that are not videos: each gets a clear error."""

import json

import pytest


@pytest.mark.parametrize("options, field", [
    ({"resize": {"width": 100000, "height": 100000}}, "options.resize.width"), ({"fps": 0}, "options.fps"),
    ({"fps": 10000}, "options.fps"), ({"trim": {"start": -1}}, "options.trim.start"),
    ({"split": {"seconds": 0}}, "options.split.seconds"), ({"colour": "red"}, "options.colour")])
def test_invalid_options(user, media, options, field):
    answer = user.try_upload(media.video(2), "mp4", options=json.dumps(options))
    assert answer.status_code == 400 and answer.json()["detail"].startswith(field), answer.text


def test_more_pixels_than_allowed(make_stack, media):
    """The request itself exceeds the limit, so nothing is stored."""
    user = make_stack(web_settings={"MAX_PIXELS": 640 * 480}).client()
    answer = user.try_upload(media.video(2), "mp4", options='{"resize": {"width": 640, "height": 482}}')
    assert answer.status_code == 400 and answer.json()["detail"].startswith("options.resize"), answer.text
    assert user.upload(media.video(2), "mp4", options='{"resize": {"width": 640, "height": 480}}')


def test_trim_beyond_the_end(user, media):
    task = user.wait(user.upload(media.video(2), "mp4", options=json.dumps({"trim": {"start": 100}})))
    assert task["status"] == "failed" and task["error"]["code"] and "trim" in task["error"]["detail"]


@pytest.mark.parametrize("settings", [{"MAX_PIXELS": 640 * 480 - 1}, {"MAX_DURATION_SECONDS": 1}, {"MAX_OUTPUT_BYTES": 10000}],
                         ids=lambda one: next(iter(one)))
def test_limits(make_stack, media, settings):
    user = make_stack(worker_settings=settings).client()
    task = user.wait(user.upload(media.video(2), "mkv"))
    assert task["status"] == "failed" and task["error"]["code"] == "resource_limit", task


NOT_VIDEOS = {
    "list.mp4": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "playlist.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "subtitle.mp4": b"1\n00:00:00,000 --> 00:00:09,000\n{\\an8}<i>file:///etc/passwd</i>\n",
    "description.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
}


@pytest.mark.parametrize("name", NOT_VIDEOS)
def test_files_that_refer_to_others(user, name):
    task = user.wait(user.upload(NOT_VIDEOS[name] * 3, "mp4", name=name))
    assert task["status"] == "failed" and task["error"]["code"] in ("invalid_media", "no_video", "unsupported_codec"), task


def gif_of(delays):
    """A GIF of one pixel, shown for so many hundredths of a second each time."""
    frames = b"".join(b"!\xf9\x04\x00" + delay.to_bytes(2, "little") + b"\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00"
                      for delay in delays)
    return b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff" + frames + b";"


def test_small_files_cannot_ask_for_hours_of_work(stack, user):
    """Refused before the first frame is encoded; the text says what was asked for, what is accepted, and what to do."""
    options = {"fps": 120, "resize": {"width": 4096, "height": 2176}}
    task = user.upload(gif_of([65535] * 5), "webm", "bomb.gif", options=json.dumps(options))
    failed = user.wait(task, 10)
    assert failed["status"] == "failed" and failed["error"]["code"] == "too_expensive", failed
    for part in ("4096x2176", "120 fps", "3277 s", "megapixels", "trim"):
        assert part in failed["error"]["detail"], failed
    short = user.upload(gif_of([5, 5]), "webm", "short.gif", options=json.dumps({"fps": 30}))
    assert user.finish(short)["status"] == "processed"
