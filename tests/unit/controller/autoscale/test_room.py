"""The room on a machine: CPUs for processes, memory for workers, and what other groups leave of both."""

from __future__ import annotations

import pytest

from fleet.controller.autoscale.room import Footprint, Room, most_replicas

GIB = 1 << 30
ROOM = Room(cpus=8, memory_bytes=16 * GIB)


def footprint(group: str, pool: str = "prefork", **more: int) -> Footprint:
    return Footprint(group, pool, **{"slots_per_replica": 2, "replicas": 1, **more})


def test_prefork_grows_to_the_cpus_that_others_leave() -> None:
    assert most_replicas("a", [footprint("a")], ROOM) == (4, "there are 8 CPUs")
    others = [footprint("a"), footprint("b", replicas=2), footprint("c", "gevent", slots_per_replica=500)]
    assert most_replicas("a", others, ROOM) == (2, "4 of 8 CPUs are other groups'")


def test_a_pool_that_waits_grows_whatever_cpus_there_are() -> None:
    assert most_replicas("a", [footprint("a", "gevent")], ROOM) == (None, "")


@pytest.mark.parametrize(("memory", "most"), [(2 * GIB, 7), (20 * GIB, 0)])
def test_memory_limits_every_pool(memory: int, most: int) -> None:
    found, why = most_replicas("a", [footprint("a", "gevent", memory_bytes=memory)], ROOM)
    assert found == most
    assert why == f"memory is for {most} at most"


def test_the_tighter_limit_is_the_one_that_is_told() -> None:
    found, why = most_replicas("a", [footprint("a", memory_bytes=6 * GIB)], ROOM)
    assert (found, why) == (2, "memory is for 2 at most")


def test_others_that_take_more_than_there_is_leave_nothing() -> None:
    assert most_replicas("a", [footprint("a"), footprint("b", replicas=9)], ROOM)[0] == 0
