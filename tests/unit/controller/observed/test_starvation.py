"""A worker that takes nothing from queues that are not empty is to be replaced; no other is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.stats import QueueStats
from fleet.control import Report
from fleet.controller.observed.observe import LatestReport, Observation, observe
from fleet.controller.observed.starvation import IDLE_SECONDS, LOOKS, Starving
from fleet.fleet_state import FleetState
from fleet.spec import BrokerSpec, RoutingSpec
from fleet.supervisor.client import Program, Snapshot
from tests.unit.controller.world import fleet, group

GROUP = group(replicas=1)
NAME = "http:0.1"


def observation(idle_seconds: float = IDLE_SECONDS, *, pid: int = 7, state: str = "ready") -> Observation:
    labels = {"role": "worker", "replica": "0", "serial": "1", "revision": GROUP.revision}
    program = Program("http", "0.1", "running", pid, 0.0, 500.0, 0, None, None, labels)
    report = Report("http/0", pid, GROUP.revision, state, idle_seconds=idle_seconds)  # type: ignore[arg-type]
    return observe(
        Snapshot(1, 1, 1.0, stopping=False, programs=(program,)),
        {pid: LatestReport(report, 1000.0, 500.0)},
        listening_since=0.0,
        now=1000.0,
    )


class Queues:
    """In place of the broker."""

    def __init__(self, ready: int) -> None:
        self.ready, self.asked = ready, 0

    def __call__(self, routing: RoutingSpec) -> list[QueueStats]:
        self.asked += 1
        if self.ready < 0:
            raise BrokerUnavailable("away")
        return [QueueStats(queue.name, self.ready) for queue in routing.queues]


def look(
    starving: Starving, times: int, seen: Observation | None = None, effective: FleetState | None = None
) -> None:
    for _ in range(times):
        asyncio.run(starving.look(seen or observation(), effective or fleet(GROUP)))


def test_who_takes_nothing_for_long_although_messages_wait_is_to_be_replaced() -> None:
    starving = Starving(Queues(12))
    look(starving, LOOKS - 1)
    assert starving.reasons == {}
    look(starving, 1)
    assert starving.reasons == {NAME: "it has taken nothing for long, and 12 wait in queue 'q'"}


def test_a_starving_worker_stays_one_until_it_is_gone() -> None:
    queues = Queues(12)
    starving = Starving(queues)
    look(starving, LOOKS)
    queues.ready = 0
    look(starving, 1)
    assert NAME in starving.reasons
    look(starving, 1, replace(observation(), programs={}, workers=()))
    assert starving.reasons == {}


@pytest.mark.parametrize(
    "ready", [0, -1], ids=["there is nothing", "the broker does not answer, which is no trouble of workers"]
)
def test_who_has_reason_to_wait_is_left_alone(ready: int) -> None:
    starving = Starving(Queues(ready))
    look(starving, 2 * LOOKS)
    assert starving.reasons == {}


def test_a_queue_that_was_empty_once_is_no_backlog() -> None:
    queues = Queues(12)
    starving = Starving(queues)
    for ready in (12, 12, 0, 12, 12):
        queues.ready = ready
        look(starving, 1)
    assert starving.reasons == {}


def test_another_process_has_all_its_time() -> None:
    starving = Starving(Queues(12))
    look(starving, LOOKS - 1)
    look(starving, 1, observation(pid=8))
    assert starving.reasons == {}


def test_nobody_is_asked_while_all_work() -> None:
    queues = Queues(12)
    look(Starving(queues), LOOKS, observation(IDLE_SECONDS - 1))
    look(Starving(queues), LOOKS, observation(state="draining"))
    assert queues.asked == 0


def test_paused_queues_standbys_and_foreign_brokers_say_nothing() -> None:
    paused = replace(GROUP, paused=("q",))
    [queue] = GROUP.spec.queues
    standby = replace(queue, arguments={"x-single-active-consumer": True})
    second = replace(GROUP, spec=replace(GROUP.spec, queues=(standby,)))
    foreign = replace(fleet(GROUP), routing=RoutingSpec(BrokerSpec("sqs://"), (queue,), ()))
    for effective in (fleet(paused), fleet(second), foreign):
        starving = Starving(Queues(12))
        look(starving, 2 * LOOKS, effective=effective)
        assert starving.reasons == {}
