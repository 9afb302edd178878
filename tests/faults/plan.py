"""What a run does, drawn from its seed: which tasks the users order, and when which fault comes."""

import dataclasses
import random

from faults import FAULTS

USERS = 4
FIRST_RECORDS = 500  # a task for records inserts as many as its order's number, and these
FORMATS = ("mp3", "ogg", "flac", "opus", "wav", "m4a")
# source → how often; the files are made by sources.py
AUDIO = {"tone.wav": 5, "voice.flac": 3, "song.mp3": 2}
KINDS = {"convert": 52, "edit": 6, "probe": 8, "records": 14, "broken": 8, "missing": 4, "again": 8}
WAYS = {"form": 5, "upload": 3, "url": 3}


@dataclasses.dataclass
class Order:
    """One task that a user orders, and what the user does with it later."""

    number: int
    at: float  # seconds after the start of the load
    user: int
    kind: str
    way: str  # form, upload, url; how the input comes
    source: str
    wanted: object  # a format, a preset, or a number of records
    has_key: bool = False
    has_webhook: bool = False
    priority: str = "normal"
    changes: list = dataclasses.field(default_factory=list)  # (seconds to wait or None: for the end, "put" or "delete", format)

    @property
    def name(self):
        """The file's name tells the verification which order a task belongs to."""
        return f"o{self.number}.{self.source.rpartition('.')[2]}"


@dataclasses.dataclass
class Plan:
    orders: list
    faults: list  # (seconds after the start of the load, name of the fault, seed of its own)


def pick(chance, weights):
    return chance.choices(list(weights), weights.values())[0]


def draw_changes(chance, order):
    if order.kind == "again":  # another format, once, twice, or after the end
        order.kind = "convert"
        return [(chance.choice((0, 0.5, 2, None)), "put", chance.choice(FORMATS)) for _ in range(chance.choice((1, 1, 2)))]
    if order.kind != "probe" and chance.random() < 0.12:
        return [(chance.choice((0, 0.2, 1, 3, None)), "delete", None)]
    return []


def draw_order(chance, number, at):
    kind = pick(chance, KINDS)
    order = Order(number, at, chance.randrange(USERS), kind, "form", pick(chance, AUDIO), chance.choice(FORMATS))
    if kind in ("convert", "again"):
        order.way = pick(chance, WAYS)
    elif kind == "edit":
        order.source, order.wanted = "clip.mp4", "fpv"
    elif kind == "broken":
        order.source, order.wanted = "broken.mp3", "ogg"
    elif kind == "missing":
        order.source, order.wanted, order.way = "missing.wav", "mp3", "url"
    elif kind == "records":
        order.wanted = FIRST_RECORDS + number  # tells the verification which order it is
    order.has_key = kind != "probe" and chance.random() < 0.8
    order.has_webhook = kind not in ("probe", "records") and chance.random() < 0.5
    order.priority = "high" if chance.random() < 0.15 else "normal"
    order.changes = draw_changes(chance, order)
    return order


def draw(seed, tasks, seconds, faults, possible):
    """possible: the names of the faults that this machine can make."""
    chance = random.Random(seed)
    orders = [draw_order(chance, number, seconds * number / tasks) for number in range(tasks)]
    weights = {name: fault.weight for name, fault in FAULTS.items() if name in possible}
    # Each kind once before any comes twice, as far as the number of faults goes.
    names = chance.sample(list(weights), len(weights))[:faults]
    names += [pick(chance, weights) for _ in range(faults - len(names))]
    chance.shuffle(names)
    times = [seconds * (0.03 + 0.9 * (i + chance.random() * 0.8) / faults) for i in range(faults)]
    return Plan(orders, [(at, name, chance.randrange(1 << 30)) for at, name in zip(times, names)])
