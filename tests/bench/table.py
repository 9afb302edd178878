"""The table of make bench: a row for each measure, printed as soon as it is known and written to build/bench.json."""

import dataclasses
import json
import os
import platform
import statistics
import subprocess

from harness.paths import ROOT


@dataclasses.dataclass
class Row:
    """ours, reference: medians; spread: (largest - smallest) / median of mediarun's rounds. `ok` is None without a target."""
    group: str
    measure: str
    unit: str
    ours: float
    reference: float | None
    reference_is: str | None
    ratio: float | None
    target: str | None
    ok: bool | None
    rounds: int
    spread: float


def spread_of(values):
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


class Target:
    """A bound of the value, or of the ratio where there is a reference."""

    def __init__(self, at_least=None, at_most=None):
        self.at_least, self.at_most = at_least, at_most

    def __str__(self):
        return f"≥ {self.at_least:,}" if self.at_least is not None else f"≤ {self.at_most:,}"

    def holds(self, value):
        return value >= self.at_least if self.at_least is not None else value <= self.at_most


class Table:
    def __init__(self, path, is_quick):
        self.path, self.is_quick, self.rows, self.group = path, is_quick, [], None

    def begin(self, group):
        self.group = group
        print(f"\n{group:52}{'ours':>12}{'reference':>12}{'ratio':>8}{'target':>10}{'spread':>8}", flush=True)

    def add(self, measure, unit, ours, reference=None, reference_is=None, target=None):
        """ours, reference: values of the rounds. The ratio is ours / reference, by the medians."""
        middle = statistics.median(ours)
        other = statistics.median(reference) if reference else None
        ratio = middle / other if other else None
        row = Row(self.group, measure, unit, middle, other, reference_is, ratio, str(target) if target else None,
                  target.holds(ratio if ratio is not None else middle) if target else None, len(ours), spread_of(ours))
        self.rows.append(row)
        self._print(row)
        return row

    def _print(self, row):
        number = lambda value: "" if value is None else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
        print(f"{f'  {row.measure}, {row.unit}':52}{number(row.ours):>12}{number(row.reference):>12}{number(row.ratio):>8}"
              f"{row.target or '':>10}{row.spread:8.0%}{'  MISSED' if row.ok is False else ''}", flush=True)

    def missed(self):
        return [row for row in self.rows if row.ok is False]

    def write(self):
        commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
        machine = {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.release()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"commit": commit, "quick": self.is_quick, "machine": machine,
                                         "rows": [dataclasses.asdict(row) for row in self.rows]}, indent=1) + "\n", encoding="utf-8")
