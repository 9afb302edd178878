"""docs/capacity.md has what the simulation prints for the numbers of infra/services; the limits of the simulation bind."""

import dataclasses
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIMULATION = ROOT / "tests" / "bench" / "simulation.py"
sys.path.insert(0, str(SIMULATION.parent))

import simulation  # noqa: E402
import simulation_units as units  # noqa: E402


@pytest.mark.parametrize("name, table", [("simulation", simulation.table), ("units", simulation.unit_table)])
def test_the_document_has_the_tables_of_the_simulation(name, table):
    text = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
    written = text.split(f"<!-- {name} -->\n")[1].split("<!-- end -->")[0]
    assert written == "\n".join(table()) + "\n", "docs/capacity.md: replace the table by what tests/bench/simulation.py prints"


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


def unit_seconds(count, window=units.OPEN, is_narrow=True, work=units.Work(units.FILM, units.TARGETS[0], 120)):
    return units.seconds_on(simulation.deployed(), simulation.PLATFORM, work, count, window, is_narrow)


def test_a_cut_task_takes_what_its_parts_take():
    """On one instance the units share its slots; with ample instances, plan, one unit and the join follow each other."""
    work, slots = units.Work(units.FILM, units.TARGETS[0], 120), simulation.deployed().slots
    ends = work.plan_s() + work.join_s() + simulation.START_S
    assert unit_seconds(1) == pytest.approx(ends + -(-work.units() // slots) * work.unit_s(), abs=5)
    assert unit_seconds(100) == pytest.approx(ends + work.unit_s(), abs=30)


@pytest.mark.parametrize("changed", [{"window": units.COLD}, {"is_narrow": False}, {"count": 10},
                                     {"work": units.Work(units.FILM, units.TARGETS[1], 120)}])
def test_what_makes_a_cut_task_slow(changed):
    assert unit_seconds(**{"count": 100, **changed}) > unit_seconds(100) + 10
