"""Messages that take their worker down among others that don't: only the killers end among the dead letters.

The mixes are random, and the seed of one is in its name: every kind of queue counts what a dying worker held in its own
way, and what has to come out is the same.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.broker.leases import release_owner
from tests.conftest import make_broker
from tests.contract.conftest import POOLS
from tests.contract.harness import Mailbox, Worker

pytestmark = [pytest.mark.process, pytest.mark.broker]

KINDS = ("classic", "quorum", "redis", "sqlite")
MOSTS = (1, 2, 3, 5)
# Every pool on every kind of queue, with one of the limits each; and all limits where most went wrong.
MIXES = {
    *((pool, kind, MOSTS[(at + row) % 4]) for row, pool in enumerate(POOLS) for at, kind in enumerate(KINDS)),
    *(("threads", kind, most) for kind in ("classic", "quorum") for most in MOSTS),
}


@pytest.fixture
def box(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Mailbox]:
    kind = request.param
    arguments = {"x-queue-type": "quorum"} if kind == "quorum" else {}
    name = kind if kind in ("redis", "sqlite") else "amqp"
    for broker in make_broker(name, request, short_folder):
        mailbox = Mailbox(broker, arguments)
        yield mailbox
        mailbox.close()


@pytest.mark.parametrize(
    ("pool", "box", "most"),
    [pytest.param(pool, kind, most, id=f"{pool}-{kind}-{most}") for pool, kind, most in sorted(MIXES)],
    indirect=["box"],
)
def test_only_those_that_end_their_worker_are_buried(
    pool: str, box: Mailbox, most: int, short_folder: Path
) -> None:
    chance = random.Random(f"{pool}{most}")
    worker = Worker(short_folder, box, pool, {"prefetch": chance.choice((4, 6, 20)), "max_deliveries": most})
    worker.settings["concurrency"] = chance.choice((2, 4, 10)) if pool != "prefork" else 2
    key = uuid.uuid4().hex
    killers, innocents = [], []
    for what in chance.sample(["kill"] * chance.choice((1, 2, 3)) + ["do"] * 9, k=10):
        if what == "kill":
            killers.append(box.send("end_worker", f"{key}-kill", chance.choice((0.0, 0.05, 0.2))))
        else:
            innocents.append(box.send("nap", key, chance.choice((0.0, 0.1, 0.3))))
    try:
        deaths = _run_until_done(worker, killers, key, len(innocents), most)
        for ident in killers:
            reason = box.dead(ident)["reason"]
            assert reason.startswith("handed out"), reason
            assert reason.endswith(f"it ran alone); max_deliveries is {most}"), reason
        assert not [ident for ident in innocents if box.find_dead(ident)]
        assert deaths <= len(killers) * max(most, 2)
        assert box.take_all() == []
    finally:
        worker.stop()


def _run_until_done(worker: Worker, killers: list[str], key: str, innocents: int, most: int) -> int:
    """Start it again whenever it has ended; how often it has ended."""
    box = worker.mailbox
    for deaths in range(200):
        worker.start(ready=False)
        while worker.process is not None and worker.process.poll() is None:
            if _is_done(worker, killers, key, innocents):
                return deaths
        worker.wait()
        worker.assert_nothing_left()
        release_owner(box.spec, worker.identity, max(most, 2))  # as the controller does
    raise AssertionError(f"it goes on for ever\n{worker.log()[-3000:]}")


def _is_done(worker: Worker, killers: list[str], key: str, innocents: int) -> bool:
    dead = [ident for ident in killers if worker.mailbox.find_dead(ident)]
    return (
        len(dead) == len(killers)
        and len({line["id"] for line in worker.journal(key) if line["what"] == "end"}) == innocents
    )
