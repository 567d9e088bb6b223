"""How the controller's loop rests, and ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleet.controller.log.events import EventLog
from fleet.controller.observed.supervisor_watch import rest
from fleet.controller.reconciler import ACTIONS_AT_ONCE, Reconciler
from fleet.controller.rollout.plan import Action
from fleet.statedir import StateDir
from fleet.supervisor.client import Snapshot
from tests.unit.controller.world import fleet, group


@pytest.mark.parametrize("turns", range(6))
def test_who_is_wakened_and_cancelled_at_once_ends(turns: int) -> None:
    async def work(wakened: asyncio.Event) -> None:
        while True:
            await rest(wakened, 30)

    async def scenario() -> None:
        wakened = asyncio.Event()
        worker = asyncio.ensure_future(work(wakened))
        await asyncio.sleep(0)
        wakened.set()
        for _ in range(turns):  # of the event loop, until the wake-up has gone all its way
            await asyncio.sleep(0)
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(worker, 5)

    asyncio.run(scenario())


def test_rest_ends_by_the_event_and_by_time() -> None:
    async def scenario() -> None:
        wakened = asyncio.Event()
        await rest(wakened, 0.001)
        wakened.set()
        await rest(wakened, 3600)
        assert not wakened.is_set()

    asyncio.run(scenario())


def test_the_reconciler_looks_again_before_it_has_started_hundreds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler = Reconciler(tmp_path / "fleet.toml", None, StateDir(tmp_path), EventLog())
    reconciler.declaration.go_on_with(fleet(group(replicas=500)))
    done: list[Action] = []
    monkeypatch.setattr(reconciler._supervisor, "snapshot", lambda: Snapshot(1, 1, 1.0, stopping=False))
    monkeypatch.setattr(
        reconciler._applier, "carry_out", lambda actions, _desired: done.extend(actions) or []
    )
    assert asyncio.run(reconciler._reconcile()), "there is more to do"
    assert len(done) == ACTIONS_AT_ONCE
