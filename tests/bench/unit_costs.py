"""
What cut work costs: the rows of make bench (group units) that the simulation reckons with, and the values that it takes for
them. bench_units.py measures each row again beside its value; after a change, put the new medians here, and what simulation.py
prints into docs/capacity.md.
"""

import collections

Cost = collections.namedtuple("Cost", "row unit value")

COSTS = {
    "h264_720p": Cost("CPU for 1 s of 720p → mp4, cut", "ms", 1.0),
    "vp9_720p": Cost("CPU for 1 s of 720p → webm, cut", "ms", 1.0),
    "h264_1080p": Cost("CPU for 1 s of 1080p → mp4", "ms", 1.0),
    "vp9_1080p": Cost("CPU for 1 s of 1080p → webm", "ms", 1.0),
    "decode_720p": Cost("CPU for 1 s of 720p, decoded", "ms", 1.0),
    "decode_1080p": Cost("CPU for 1 s of 1080p, decoded", "ms", 1.0),
    "plan": Cost("probe and plan", "ms", 1.0),
    "publish": Cost("from the plan to the first unit", "ms", 1.0),
    "claim": Cost("from one unit to the next in a slot", "ms", 1.0),
    "join_copied": Cost("join of a minute, audio copied", "ms", 1.0),
    "join_encoded": Cost("join of a minute, audio → Opus", "ms", 1.0),
    "audio": Cost("CPU for a minute of audio → Opus", "ms", 1.0),
}
