"""
A client that sends its file straight to Cloud Storage, by the session that POST /api/uploads returned.

As a program (python3 -m harness.direct_upload SESSION FILE) it prints after each chunk how many bytes are stored, so that a
test can kill it half way.
"""

import pathlib
import re
import sys

import requests

CHUNK = 8 << 20


def ask(session, size="*"):
    """Asks how many bytes the session has. Returns None when the object is complete."""
    answer = requests.put(session, headers={"Content-Range": f"bytes */{size}"}, allow_redirects=False, timeout=60)
    return _stored(answer)


def _stored(answer):
    if answer.status_code in (200, 201):
        return None
    assert answer.status_code == 308, f"{answer.status_code}: {answer.text}"
    stored = re.fullmatch(r"bytes=0-(\d+)", answer.headers["Range"]) if "Range" in answer.headers else None
    return int(stored.group(1)) + 1 if stored else 0


def send(session, data, first=0, total=None, **headers):
    """Sends one request with these bytes. Returns the response, whatever it is."""
    total = first + len(data) if total is None else total
    return requests.put(session, data=data, allow_redirects=False, timeout=120, headers={
        "Content-Range": f"bytes {first}-{first + len(data) - 1}/{total}", **headers})


def upload(session, path, chunk=CHUNK, report=lambda stored: None):
    """Sends what is not stored yet, chunk by chunk; calls report with the number of bytes stored."""
    path = pathlib.Path(path)
    size = path.stat().st_size
    stored = ask(session, size)
    with open(path, "rb") as file:
        while stored is not None:
            report(stored)
            file.seek(stored)
            stored = _stored(send(session, file.read(chunk), stored, size))
    report(size)


if __name__ == "__main__":
    upload(sys.argv[1], sys.argv[2], report=lambda stored: print(stored, flush=True))
