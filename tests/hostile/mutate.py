"""Mutations of media files. Each takes a random source, the bytes and another file's bytes, and returns new bytes."""

import re

EXTREMES = [b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\x7f", b"\1\0\0\0"]
NAMES = re.compile(rb"[A-Za-z0-9 ]{4}")  # boxes, chunks and tags are named by four such bytes


def flip_bytes(chance, data, other):
    broken = bytearray(data)
    for _ in range(chance.choice((1, 4, 16, 128, 1024))):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    return broken


def change_header(chance, data, other):
    broken = bytearray(data)
    for _ in range(chance.randrange(1, 12)):
        at = chance.randrange(min(len(broken), 512))
        broken[at:at + 4] = chance.choice(EXTREMES)
    return broken


def change_sizes(chance, data, other):
    """The four bytes before or after a name are often the length of what it names."""
    broken = bytearray(data)
    places = [match.start() for match in NAMES.finditer(data)] or [0]
    for at in chance.sample(places, min(len(places), chance.randrange(1, 6))):
        at = max(0, at + chance.choice((-4, 4)))
        broken[at:at + 4] = chance.choice(EXTREMES)
    return broken


def rename(chance, data, other):
    """Gives a box, chunk or tag the name of another one."""
    broken = bytearray(data)
    names = [match.start() for match in NAMES.finditer(data)] or [0]
    for _ in range(chance.randrange(1, 4)):
        a, b = chance.choice(names), chance.choice(names)
        broken[a:a + 4] = data[b:b + 4]
    return broken


def cut(chance, data, other):
    return data[:chance.randrange(1, len(data))] + chance.randbytes(chance.choice((0, 0, 7, 2000)))


def cut_out(chance, data, other):
    a, b = sorted(chance.randrange(len(data)) for _ in range(2))
    return data[:a] + data[b:]


def repeat_block(chance, data, other):
    a, b = sorted(chance.randrange(len(data)) for _ in range(2))
    return data[:b] + data[a:b] * chance.choice((1, 2, 50)) + data[b:]


def move_block(chance, data, other):
    a, b, c = sorted(chance.randrange(len(data)) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def insert_noise(chance, data, other):
    at = chance.randrange(len(data))
    return data[:at] + chance.randbytes(chance.choice((1, 3, 100, 5000))) + data[at:]


def blank_block(chance, data, other):
    a, b = sorted(chance.randrange(len(data)) for _ in range(2))
    return data[:a] + bytes([chance.choice((0, 0xFF, 0x20))]) * (b - a) + data[b:]


def splice(chance, data, other):
    """The beginning of one file, the end of another."""
    return data[:chance.randrange(1, len(data))] + other[chance.randrange(len(other)):]


def hide(chance, data, other):
    """One file inside another: a reader may find either."""
    at = chance.randrange(len(data))
    return data[:at] + other + data[at:]


def number_text(chance, data, other):
    """Replaces digits of text: playlists, tags, rates."""
    return re.sub(rb"\d+", lambda match: chance.choice((b"0", b"-1", b"99999999999999999999", match[0])), data, count=20)


MUTATIONS = [flip_bytes, change_header, change_sizes, rename, cut, cut_out, repeat_block, move_block, insert_noise, blank_block,
             splice, hide, number_text]


def draw(chance, sources):
    """Returns (file name, bytes, a description) of one mutated file, by one or several mutations."""
    name, data = chance.choice(sources)
    steps = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        mutation = chance.choice(MUTATIONS)
        data = bytes(mutation(chance, bytes(data), chance.choice(sources)[1])) or b"\0"
        steps.append(mutation.__name__)
    if chance.random() < 0.1:  # a false extension
        name = f"{name}.{chance.choice(sources)[0].rpartition('.')[2]}"
    return name, data[:4 << 20], f"{name} {'+'.join(steps)}"
