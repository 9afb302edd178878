"""A directory with names and sizes that clients of an object store find hard, and how to compare it."""

import base64
import hashlib
import os

SMALL = {"plain": b"hello", "empty": b"", "with blanks.txt": b"a b", "ünï cødé ✓": b"\xff\x00", "100%25 # & + ;.bin": b"\r\n",
         "sub/deep/ends with cr": b"x\r", "sub/deep/%2F": b"\n--==\n"}
BIG = "sub/big"
BIG_BYTES = 20 << 20  # above every threshold for resumable uploads


def make_tree(directory, many=0):
    """{name: content} of the files that it has made; `many` of them in "many/"."""
    files = {**SMALL, BIG: os.urandom(BIG_BYTES), **{f"many/{number:04}": b"%d" % number for number in range(many)}}
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files


def read_tree(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def md5(content):
    return hashlib.md5(content).hexdigest()


def stored(bucket, prefix=""):
    """{name: (size, MD5)} as the emulator has it, by many pages; prefix is left out of the names."""
    found, token = {}, None
    while True:
        page = bucket.list(prefix=prefix, maxResults=97, **({"pageToken": token} if token else {}))
        found.update({item["name"].removeprefix(prefix): (int(item["size"]), base64.b64decode(item["md5Hash"]).hex())
                      for item in page.get("items", [])})
        token = page.get("nextPageToken")
        if not token:
            return found


def sums(files):
    return {name: (len(content), md5(content)) for name, content in files.items()}
