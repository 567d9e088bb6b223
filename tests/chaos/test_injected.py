"""Whether the judge sees: bugs made on purpose are found, nine in ten at least, and a run without any is good."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.brokers import BROKERS
from tests.chaos.excuses import ByJournal, Excuses, hits_leases
from tests.chaos.injection import INJECTIONS, run_with
from tests.chaos.journal import Reading
from tests.chaos.messages import Work
from tests.chaos.mix import Mix
from tests.chaos.schedule import FILE, SERVER
from tests.chaos.simulated import Simulation
from tests.chaos.test_chaos import SEED, needs
from tests.chaos.undone import Habits
from tests.chaos.verdict import Verdict, judge
from tests.chaos.witness import ByWire

MESSAGES = 3000
FAULTS = ("cut", "worker") * 5


def judged(simulation: Simulation, folder: Path) -> Verdict:
    simulation.run(folder / "journal")
    reading = Reading(folder / "journal").read()
    excuses: Excuses
    if simulation.cuts_undo:
        excuses = ByWire(reading, simulation.strikes, simulation.wire, Habits())
    else:
        excuses = ByJournal(reading, simulation.strikes, hits_leases(10.0))
    return judge(Work(MESSAGES, 1, 0.01, 100.0), reading, simulation.strikes, excuses)


@pytest.mark.parametrize("cuts_undo", [True, False], ids=["amqp", "leases"])
@pytest.mark.parametrize("seed", range(3))
def test_a_made_up_run_without_a_bug_is_good(seed: int, cuts_undo: bool, tmp_path: Path) -> None:
    found = judged(Simulation(seed, MESSAGES, FAULTS, cuts_undo=cuts_undo), tmp_path)
    assert found.is_good, found.evidence
    assert found.repeated > 0, "no fault has hit anything"


@pytest.mark.parametrize("cuts_undo", [True, False], ids=["amqp", "leases"])
@pytest.mark.parametrize("bug", INJECTIONS)
def test_of_bugs_in_a_made_up_run_nine_in_ten_are_found(bug: str, cuts_undo: bool, tmp_path: Path) -> None:
    simulation = Simulation(7, MESSAGES, FAULTS, bug, 0.02, cuts_undo=cuts_undo)
    found = judged(simulation, tmp_path)
    reported = {*found.lost, *found.unexplained}
    assert len(simulation.hit) > 30
    assert len(simulation.hit & reported) >= 0.9 * len(simulation.hit)
    assert reported <= simulation.hit, "others are blamed"


@pytest.mark.process
@pytest.mark.parametrize("broker", BROKERS)
def test_of_bugs_in_a_real_run_nine_in_ten_are_found(broker: str, short_folder: Path) -> None:
    needs(broker)
    work = Work(count=500, seed=SEED, mean_seconds=0.01, per_second=80.0, long_every=100, long_seconds=0.5)
    trouble = FILE if broker == "sqlite" else SERVER
    found = run_with(
        "requeue", 0.06, Mix(broker, "threads", work, 5, ("worker", "replicas", *trouble)), short_folder
    )
    assert len(found.made) >= 10, "the bug did not happen"
    assert found.share >= 0.9, f"not found: {sorted(found.missed)} of {sorted(found.made)}"
