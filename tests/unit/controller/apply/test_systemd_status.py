"""What systemd is told: a number when there is a new one, and that the fleet is ready, once for all."""

from __future__ import annotations

from typing import Any, cast

from fleet.controller.apply.systemd_status import Announcer, at_work
from fleet.controller.observed.observe import Observation, SeenWorker, State
from fleet.supervisor.client import Snapshot, SupervisorClient
from tests.unit.controller.world import fleet, group, worker

GROUP = group(replicas=2)
SNAPSHOT = Snapshot(1, 1, 1.0, stopping=False, programs=())


def seen(*workers: SeenWorker) -> Observation:
    return cast(Observation, type("Seen", (), {"workers": workers, "snapshot": SNAPSHOT})())


class Systemd:
    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []

    def announce(self, text: str, *, ready: bool) -> None:
        self.told.append((text, ready))


def test_a_slot_counts_when_a_worker_of_any_revision_works_there() -> None:
    other = worker(0, of=group(version=9))
    starting = worker(1, of=GROUP, state=State.STARTING)
    assert at_work(fleet(GROUP), seen(other, starting)) == (1, 2)


def test_news_are_told_once_and_ready_stays_ready() -> None:
    systemd = Systemd()
    announcer = Announcer(cast(SupervisorClient, cast(Any, systemd)))
    both = seen(worker(0, of=GROUP), worker(1, of=GROUP))
    for workers in (seen(), both, both, seen()):
        announcer.tell(fleet(GROUP), workers)
    assert systemd.told == [
        ("0 of 2 workers ready", False),
        ("2 of 2 workers ready", True),
        ("0 of 2 workers ready", True),
    ]


def test_each_look_that_somebody_asked_for_is_told_to_be_done() -> None:
    systemd = Systemd()
    announcer = Announcer(cast(SupervisorClient, cast(Any, systemd)))
    for _ in range(2):
        announcer.asked += 1
        announcer.tell(fleet(), seen())
    assert len(systemd.told) == 2
