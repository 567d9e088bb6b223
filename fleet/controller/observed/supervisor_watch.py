"""The watch on the supervisor: the controller's loop rests on it, and is woken when a program changes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from fleet.supervisor.client import SupervisorClient, SupervisorUnavailable

_WAIT_SECONDS = 20.0
_RETRY_SECONDS = 0.5
# An answer names all programs: in a burst of changes (200 workers started) one for each would cost the supervisor
# more than starting them. The first change wakes at once, the next ones together.
_GATHER_SECONDS = 0.05


async def rest(wakened: asyncio.Event, seconds: float) -> None:
    """Until `wakened` is set, which is then cleared, or for `seconds`."""
    # Not wait_for: before Python 3.12 it swallows a cancellation that comes together with the event, as it does
    # when the supervisor dies. The controller then lived on, and commanded the next supervisor.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wakened.wait()
    wakened.clear()


def follow_supervisor(supervisor: SupervisorClient, sequence: int, wake: Callable[[], None]) -> None:
    """Call `wake` in this event loop whenever a program changes after `sequence`.

    In a thread of its own, for asking the supervisor blocks for long.
    """
    loop = asyncio.get_running_loop()

    def follow(sequence: int) -> None:
        while not loop.is_closed():
            try:
                sequence = supervisor.wait(sequence, _WAIT_SECONDS).sequence
            except SupervisorUnavailable:
                time.sleep(_RETRY_SECONDS)
            with suppress(RuntimeError):  # the loop was closed in this moment
                loop.call_soon_threadsafe(wake)
            time.sleep(_GATHER_SECONDS)

    threading.Thread(target=follow, args=(sequence,), name="supervisor", daemon=True).start()
