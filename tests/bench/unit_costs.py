"""
What cut work costs: the rows of make bench (group units) that the simulation reckons with, and the values that it takes for
them. bench_units.py measures each row again beside its value; after a change, put the new medians here, and what simulation.py
prints into docs/capacity.md.
"""

import collections
import json

Cost = collections.namedtuple("Cost", "row unit value")

# One round of each on an otherwise idle machine of two cores (28 November 2026); the join of a WebM, whose audio was encoded by a unit, of one
# minute only.
COSTS = {
    "h264_720p": Cost("CPU for 1 s of 720p → mp4, cut", "ms", 848),
    "vp9_720p": Cost("CPU for 1 s of 720p → webm, cut", "ms", 1320),
    "h264_1080p": Cost("CPU for 1 s of 1080p → mp4", "ms", 1440),
    "vp9_1080p": Cost("CPU for 1 s of 1080p → webm", "ms", 2037),
    "decode_720p": Cost("CPU for 1 s of 720p, decoded", "ms", 139),
    "decode_1080p": Cost("CPU for 1 s of 1080p, decoded", "ms", 255),
    "plan": Cost("probe and plan", "ms", 168),
    "publish": Cost("from the plan to the first unit", "ms", 28),
    "claim": Cost("from one unit to the next in a slot", "ms", 3),
    "join_copied": Cost("join of a minute, audio copied", "ms", 391),
    "join_measured": Cost("join of a minute, audio from a unit", "ms", 970),
    "audio": Cost("CPU for a minute of audio → Opus", "ms", 578),
}


def take_measured(path):
    """From build/bench.json of a run, in the place of the values above."""
    with open(path, encoding="utf-8") as file:
        measured = {row["measure"]: row["ours"] for row in json.load(file)["rows"]}
    for name, cost in COSTS.items():
        COSTS[name] = cost._replace(value=measured[cost.row])
