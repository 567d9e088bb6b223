"""The harness itself: draws repeat, failures shrink, and a schedule is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulated import known_faults
from tests.simulated.choices import Choices, from_text, to_text
from tests.simulated.clock import Clock, HungError
from tests.simulated.running import BACKENDS, backend, breaches_of, first_breach, stage
from tests.simulated.schedule import run_schedule
from tests.simulated.shrinking import shrink
from tests.support import ROOT

_TAKEN = """
from tests.simulated.choices import Choices, to_text
from tests.simulated.running import BACKENDS, backend, stage
from tests.simulated.schedule import run_schedule
for name in BACKENDS:
    make = backend(name)
    with stage() as time:
        for seed in range(20):
            verdict = run_schedule(make, Choices(seed), time)
            print(name, seed, to_text(verdict.taken), round(time.clock.now, 6))
"""


def test_draws_given_again_are_the_same_draws() -> None:
    drawn = Choices(7)
    drawn.unsettle(("a", "b"), 3)
    names = [drawn.fault("somewhere", ("a", "b")) for _ in range(100)]
    again = Choices(given=from_text(to_text(drawn.taken)))
    again.unsettle(("a", "b"), 3)
    assert [again.fault("somewhere", ("a", "b")) for _ in range(100)] == names
    assert set(names) > {None}


def test_shrinking_keeps_what_a_failure_needs_and_nothing_else() -> None:
    taken = {number: number for number in range(1, 60)}
    assert shrink(taken, lambda part: {7, 41} <= part.keys()) == {7: 7, 41: 41}


def test_time_passes_only_where_somebody_waits() -> None:
    clock = Clock()
    began = clock.now
    happened: list[float] = []
    clock.after(2.0, lambda: happened.append(clock.now))
    clock.sleep(5.0)
    assert (happened, clock.now) == ([began + 2.0], began + 5.0)


def test_who_turns_without_end_is_told() -> None:
    clock = Clock()
    with pytest.raises(HungError):
        while True:
            clock.sleep(0.0)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_is_the_same_schedule_in_every_process(hash_seed: str) -> None:
    def output(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", _TAKEN]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert output(hash_seed) == output("0")


@pytest.mark.parametrize("name", BACKENDS)
def test_a_schedule_without_faults_does_all_its_work(name: str) -> None:
    make = backend(name)
    with stage() as time:
        verdict = run_schedule(make, Choices(given={}), time)
        assert verdict == ([], {}, [])


@pytest.mark.parametrize("name", BACKENDS)
def test_a_failure_is_told_with_the_draws_that_replay_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fleet.worker.connection import BrokerConnection

    monkeypatch.setattr(known_faults, "KNOWN", ())
    monkeypatch.setattr(BrokerConnection, "retry", lambda connection, delivery, *_: connection.ack(delivery))
    story = first_breach(name, range(100))
    assert story is not None
    assert "lost: " in story
    replay = story.partition("--replay '")[2].partition("'")[0]
    broker, _, draws = replay.partition(":")
    assert broker == name
    verdict = breaches_of(name, from_text(draws))
    assert any(breach.startswith("lost: ") for breach in verdict.breaches)
    assert len(verdict.taken) <= 3, "a task that fails is enough"
