"""docs/capacity.md has what the simulation prints for the numbers of infra/services; the limits of the simulation bind."""

import dataclasses
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIMULATION = ROOT / "tests" / "bench" / "simulation.py"
sys.path.insert(0, str(SIMULATION.parent))

import simulation  # noqa: E402


def test_the_document_has_the_table_of_the_simulation():
    printed = subprocess.run([sys.executable, "-B", SIMULATION], capture_output=True, text=True, check=True).stdout
    text = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
    written = text.split("<!-- simulation -->\n")[1].split("<!-- end -->")[0]
    assert written == printed, "docs/capacity.md: replace the table by what tests/bench/simulation.py prints"


def test_each_limit_binds():
    """With one of them too small and all others ample, that one holds the tasks back; with none, nothing does."""
    ample = simulation.Deployment(instances=500, slots=2, concurrency=8, pool=3, vcpus=2, gib=4, database_vcpus=64)
    kind = simulation.Kind("test", 0.5, 0.01)
    run = lambda **changed: simulation.Simulation(dataclasses.replace(ample, **changed), kind, 30_000).run(120)
    assert run().keeps_up() and run().binds() == "-"
    assert run(instances=20).binds() == "instances"
    assert run(database_vcpus=1).binds() == "database commits"
    slow = simulation.Simulation(dataclasses.replace(ample, instances=20_000), simulation.Kind("slow", 30, 0.01), 30_000).run(300)
    assert slow.binds() == "push window"


def test_all_tasks_are_counted():
    run = simulation.Simulation(simulation.deployed(), simulation.KINDS[1], 600).run(300)
    waiting = sum(count for _, count in run.backlog) + run.outstanding()
    arrived = sum(count for _, count in run.waits) + waiting
    assert 0.9 < arrived / 3000 < 1.1
