"""POST /send: what is refused, and that a broker that hangs doesn't take the controller with it."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fleet.controller.api import send as sending
from fleet.controller.api.send import Counter, NotSent
from fleet.controller.reconciler import Reconciler

ORDER = {"fingerprint": "f", "task": "a.b"}


def counter(*, known: str = "f", accepted: object = SimpleNamespace(routing=None)) -> Counter:
    reconciler = SimpleNamespace(file=None, declaration=SimpleNamespace(fingerprint=known, accepted=accepted))
    return Counter(cast(Reconciler, reconciler))


def refusal(there: Counter, order: dict[str, Any]) -> NotSent:
    with pytest.raises(NotSent) as refused:
        asyncio.run(there.send(order))
    return refused.value


def test_only_by_the_file_that_is_in_force() -> None:
    assert refusal(counter(known="g"), ORDER).status == 409
    assert refusal(counter(known=""), {**ORDER, "fingerprint": ""}).status == 409
    assert refusal(counter(accepted=None), ORDER).status == 409


@pytest.mark.parametrize("order", [{}, {"task": "a.b"}, {**ORDER, "more": 1}])
def test_a_request_that_is_no_order_is_refused_with_422(order: dict[str, Any]) -> None:
    assert refusal(counter(), order).status == 422


def test_while_the_broker_hangs_only_so_many_wait_and_then_all_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers, there = threading.Event(), counter()

    def publish(*_: object) -> dict[str, str]:
        assert answers.wait(10)
        return {"queue": "q", "id": "1"}

    monkeypatch.setattr(sending, "_publish", publish)

    async def scenario() -> tuple[int, list[dict[str, str]]]:
        waiting = [asyncio.ensure_future(there.send(ORDER)) for _ in range(16)]
        await asyncio.sleep(0)
        with pytest.raises(NotSent) as refused:
            await there.send(ORDER)
        answers.set()
        return refused.value.status, await asyncio.gather(*waiting, there_again())

    async def there_again() -> dict[str, str]:
        while True:
            try:
                return await there.send(ORDER)
            except NotSent:
                await asyncio.sleep(0.01)

    status, sent = asyncio.run(scenario())
    assert status == 429
    assert sent == [{"queue": "q", "id": "1"}] * 17
