#!/usr/bin/env python3
"""Draws logo.png, mediarun's logo for edited videos: draw_logo.py FILE. Shapes are strokes with round ends."""

import math
import struct
import sys
import zlib

WIDTH, HEIGHT = 1280, 720
BACKGROUND, INK, ACCENT = (16, 24, 40), (240, 244, 250), (255, 138, 61)


def arc(x, y, radius, begin, end, steps=24):
    """Points on a circle; degrees, 0 to the right, 90 down."""
    angles = (math.radians(begin + (end - begin) * i / steps) for i in range(steps + 1))
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


# Letters as strokes in units of half the x-height, y downwards, the base line at 2: (width, strokes).
ARCH = arc(1, 1, 1, 180, 360) + [(2, 2)]
LETTERS = {
    "m": (3.2, [[(0, 0), (0, 2)], arc(.8, .8, .8, 180, 360) + [(1.6, 2)], arc(2.4, .8, .8, 180, 360) + [(3.2, 2)]]),
    "e": (2, [[(0, 1), (2, 1)] + arc(1, 1, 1, 0, -315)]),
    "d": (2, [arc(1, 1, 1, 0, 360), [(2, -1), (2, 2)]]),
    "i": (0, [[(0, 0), (0, 2)], [(0, -.8), (0, -.8)]]),
    "a": (2, [arc(1, 1, 1, 0, 360), [(2, 0), (2, 2)]]),
    "r": (1.1, [[(0, 0), (0, 2)], arc(1, 1, 1, 180, 280)]),
    "u": (2, [[(0, 0)] + arc(1, 1, 1, 180, 0), [(2, 0), (2, 2)]]),
    "n": (2, [[(0, 0), (0, 2)], ARCH]),
}


def draw_segment(pixels, begin, end, radius, colour):
    """Covers what lies within radius of the segment, with soft edges."""
    (ax, ay), (bx, by) = begin, end
    length2 = (bx - ax) ** 2 + (by - ay) ** 2
    for y in range(int(min(ay, by) - radius - 1), int(max(ay, by) + radius + 2)):
        for x in range(int(min(ax, bx) - radius - 1), int(max(ax, bx) + radius + 2)):
            along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length2 if length2 else 0
            along = max(0, min(1, along))
            distance = math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
            cover = max(0, min(1, radius - distance + .5))
            at = 3 * (y * WIDTH + x)
            for i in range(3):
                soft = round(BACKGROUND[i] + cover * (colour[i] - BACKGROUND[i]))
                if abs(soft - BACKGROUND[i]) > abs(pixels[at + i] - BACKGROUND[i]):
                    pixels[at + i] = soft


def draw_stroke(pixels, points, radius, colour):
    for begin, end in zip(points, points[1:]):
        draw_segment(pixels, begin, end, radius, colour)


def draw_word(pixels, word, x, y, unit, radius):
    for letter in word:
        width, strokes = LETTERS[letter]
        for points in strokes:
            draw_stroke(pixels, [(x + unit * px, y + unit * py) for px, py in points], radius, INK)
        x += unit * (width + .9)


def png(pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[3 * WIDTH * y:3 * WIDTH * (y + 1)] for y in range(HEIGHT))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def main():
    pixels = bytearray(bytes(BACKGROUND) * (WIDTH * HEIGHT))
    for i, half in enumerate((30, 75, 120, 75, 30)):  # the bars of a volume meter
        draw_stroke(pixels, [(130 + 44 * i, 360 - half), (130 + 44 * i, 360 + half)], 13, ACCENT)
    draw_word(pixels, "mediarun", 408, 324, 36, 11)
    with open(sys.argv[1], "wb") as file:
        file.write(png(bytes(pixels)))


main()
