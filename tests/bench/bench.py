"""
make bench: one table of what mediarun does on this machine, beside references of the same run. Durability (fsync), sandbox,
token checks and logs are on, as in production. A round measures mediarun, then the reference; the table has the medians and
the spread. It is printed and written to build/bench.json; the exit status is 1 if a target was missed.
"""

import argparse
import pathlib
import sys
import tempfile
import time

import bench_accounts
import bench_admission
import bench_codecs
import bench_jobs
import bench_memory
import bench_older_systems
import bench_queue
import bench_records
import bench_rows
import bench_transfers
import bench_units
from ground import Ground
from harness.media import Media
from harness.paths import ROOT
from table import Table

GROUPS = {"jobs": bench_jobs, "codecs": bench_codecs, "transfers": bench_transfers, "admission": bench_admission,
          "queue": bench_queue, "rows": bench_rows, "older": bench_older_systems, "accounts": bench_accounts,
          "records": bench_records, "memory": bench_memory, "units": bench_units}


def arguments():
    parser = argparse.ArgumentParser(prog="tests/bench/run.sh", description="Measures mediarun on this machine.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller amounts: under 4 minutes, without units")
    parser.add_argument("--only", default=",".join(GROUPS), metavar="GROUPS", help=f"of {','.join(GROUPS)}")
    parsed = parser.parse_args()
    parsed.groups = parsed.only.split(",")
    unknown = set(parsed.groups) - set(GROUPS)
    if unknown:
        parser.error(f"unknown group: {', '.join(sorted(unknown))}")
    return parsed


def main():
    asked = arguments()
    table = Table(ROOT / "build" / "bench.json", asked.quick)
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        scratch.chmod(0o755)
        ground = Ground(scratch, Media(scratch / "media"), table, asked.quick)
        try:
            for group in asked.groups:
                table.begin(GROUPS[group].TITLE)
                started = time.monotonic()
                GROUPS[group].measure(ground)
                table.write()
                print(f"  ({time.monotonic() - started:.0f} s)")
        finally:
            ground.end()
    missed = table.missed()
    print(f"\n{len(table.rows)} measures, {len(missed)} beside their targets: build/bench.json")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
