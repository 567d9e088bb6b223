"""The messages that Celery workers have left on the broker, taken over for `fleet dead adopt-unacked`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.cli.options import Failure

if TYPE_CHECKING:
    from fleet.broker.redis.unacked import Adopted


def adopt(file: Path | None, env: str | None, ask: Callable[[int], object]) -> Adopted:
    """`ask` is told how many there are, when there are some, and raises where they are to stay. Raises Failure."""
    from fleet.broker.delivery import BrokerUnavailable
    from fleet.broker.open import open_unacked
    from fleet.broker.redis.unacked import Adopted
    from fleet.cli.file.routing import load_routing

    routing = load_routing(file, env).spec
    try:
        left = open_unacked(routing.broker)
        if left is None:
            raise Failure("only on Redis do Celery workers leave something behind: this broker gives it back")
        try:
            if not (count := left.count()):
                return Adopted(0, {})
            ask(count)
            return left.adopt([queue.name for queue in routing.queues])
        finally:
            left.close()
    except BrokerUnavailable as error:
        raise Failure(f"the broker can't be reached: {error}") from error
