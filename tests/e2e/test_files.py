"""Downloads: names, ranges, HEAD."""

import re
import urllib.parse

import pytest
import requests

NAMES = [
    "plain.wav", "with blank.wav", 'quote".wav', "semi;colon.wav", "percent%41.wav", "back\\slash.wav",
    "Ünïcödé Größe.wav", "音楽.wav", "🎵 emoji.wav", "no extension", "two.dots.wav", "apostrophe's.wav", "comma,.wav",
]


@pytest.fixture
def done(user, media):
    return user.finish(user.upload(media.tone("wav", seconds=2), "mp3"))


def disposition(answer):
    """(filename, filename*) as RFC 6266 and RFC 8187 read them."""
    header = answer.headers["Content-Disposition"]
    assert header.startswith("attachment"), header
    header.encode("ascii")
    plain = re.search(r'filename="((?:[^"\\]|\\.)*)"', header)
    extended = re.search(r"filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]*)(?:;|$)", header)
    return plain and plain.group(1), extended and urllib.parse.unquote(extended.group(1), errors="strict")


@pytest.mark.parametrize("name", NAMES)
def test_names(user, media, name):
    # Written by hand, because requests changes some of these names.
    escaped = name.replace('"', "%22").encode()
    body = (b'--b\r\nContent-Disposition: form-data; name="newFormat"\r\n\r\nogg\r\n'
            b'--b\r\nContent-Disposition: form-data; name="fileName"; filename="' + escaped + b'"\r\n\r\n'
            + media.tone().read_bytes() + b"\r\n--b--\r\n")
    answer = requests.post(user.url + "/api/tasks", data=body, timeout=20, headers={
        "Authorization": f"Bearer {user.token}", "Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 201, answer.text
    task = user.finish(answer.json()["task"])
    plain, extended = disposition(user.get(f"/api/files/{task['file_id']}"))
    kept = task["original_file"]
    if "\\" not in name and '"' not in name:
        assert kept == name
    stem = kept.rpartition(".")[0] or kept
    assert extended == f"{stem}.ogg"
    assert plain and plain.endswith(".ogg") and "\n" not in plain


def test_directories_are_removed_from_names(user, media):
    data = media.tone().read_bytes()
    for name in ("/etc/passwd.wav", "../../up.wav", "C:\\Music\\song.wav"):
        task = user.upload(data, "ogg", name=name)
        assert "/" not in task["original_file"] and not task["original_file"].startswith("..")
        user.finish(task)


def test_head(user, done):
    whole = user.get(f"/api/files/{done['file_id']}")
    head = user.request("HEAD", f"/api/files/{done['file_id']}")
    assert head.status_code == 200 and head.content == b""
    for name in ("Content-Length", "Content-Type", "Content-Disposition", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]
    assert int(head.headers["Content-Length"]) == done["processed_size"] == len(whole.content)
    assert whole.headers["Content-Type"] == "audio/mpeg"


@pytest.mark.parametrize("wanted", ["bytes=0-0", "bytes=0-99", "bytes=100-199", "bytes=100-", "bytes=-100", "bytes=0-999999999",
                                    "bytes=-999999999"])
def test_ranges(user, done, wanted):
    whole = user.download(done)
    first, _, last = wanted[len("bytes="):].partition("-")
    size = len(whole)
    if first:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
    else:
        start, end = max(0, size - int(last)), size - 1
    answer = user.get(f"/api/files/{done['file_id']}", headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.content == whole[start:end + 1]
    assert answer.headers["Content-Range"] == f"bytes {start}-{end}/{size}"


@pytest.mark.parametrize("wanted", ["bytes=99999999-", "bytes=99999999-999999999", "bytes=-0"])
def test_ranges_beyond_the_end(user, done, wanted):
    answer = user.get(f"/api/files/{done['file_id']}", headers={"Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{done['processed_size']}"


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=x-y", "lines=1-2", "bytes=", "bytes=0-1,5-6", "bytes=--1"])
def test_invalid_ranges(user, done, wanted):
    """RFC 9110: an invalid range is ignored."""
    answer = user.get(f"/api/files/{done['file_id']}", headers={"Range": wanted})
    assert answer.status_code in (200, 416)
    if answer.status_code == 200:
        assert len(answer.content) == done["processed_size"]


def test_conditional_requests(user, done):
    first = user.get(f"/api/files/{done['file_id']}")
    tag = first.headers["ETag"]
    part = user.get(f"/api/files/{done['file_id']}", headers={"Range": "bytes=0-9", "If-Range": tag})
    assert part.status_code == 206 and part.content == first.content[:10]
    whole = user.get(f"/api/files/{done['file_id']}", headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert whole.status_code == 200 and whole.content == first.content


def test_not_ready(stack, user, media):
    task = user.upload(media.noise(60), "flac")
    answer = user.get(f"/api/files/{task['file_id']}")
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert answer.json()["code"] == "not_ready"
    user.finish(task)
    assert user.get(f"/api/files/{task['file_id']}?n=99").status_code == 404


def test_client_that_disconnects(stack, user, media):
    """A download that breaks off has no effect on later ones."""
    task = user.finish(user.upload(media.noise(60), "wav"))
    for _ in range(5):
        answer = user.get(f"/api/files/{task['file_id']}", stream=True)
        assert next(answer.iter_content(1000))
        answer.close()
    assert len(user.download(task)) == task["processed_size"]
