"""Sending from async code: the event loop never waits for a broker, nor for a file, nor for an import.

One thread of the process does what `send` does. While it waits for the broker to confirm, what coroutines bring
gathers and goes out together: a thousand that send at once cost a few round trips.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import queue
import threading
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from fleet.tasks.send_options import SendOptions

if TYPE_CHECKING:
    from fleet.tasks.sending import Written

Call = tuple[Sequence[Any], Mapping[str, Any]]

_MOST_TOGETHER = 1000
_CHUNK = 1000  # calls of asend_many that are handed over at once


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """One call to send, or something else that may block; its result goes to `future`, of `loop`."""

    work: Callable[[], Any]
    is_call: bool  # `work` gives a Written
    context: contextvars.Context  # whose message the call comes from
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class _SenderThread:
    """Started with the first job; ends with the process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="fleet-sender", daemon=True).start()

    def put(self, work: Callable[[], Any], *, is_call: bool) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._jobs.put(_Job(work, is_call, contextvars.copy_context(), future, loop))
        return future

    def _work(self) -> None:
        while True:
            jobs = [self._jobs.get()]
            with suppress(queue.Empty):
                while len(jobs) < _MOST_TOGETHER:
                    jobs.append(self._jobs.get_nowait())
            _tell(_done(jobs))


def _done(jobs: list[_Job]) -> list[tuple[_Job, Any, BaseException | None]]:
    """(job, result, error) of each."""
    from fleet.tasks.sending import publish_each

    results: list[tuple[_Job, Any, BaseException | None]] = []
    calls: list[tuple[_Job, Written]] = []
    for job in jobs:
        try:
            value = job.context.run(job.work)
        except BaseException as error:
            results.append((job, None, error))
        else:
            if job.is_call:
                calls.append((job, value))
            else:
                results.append((job, value, None))
    errors = publish_each([written for _, written in calls])
    results += [(job, written.ident, error) for (job, written), error in zip(calls, errors, strict=True)]
    return results


def _tell(results: list[tuple[_Job, Any, BaseException | None]]) -> None:
    """Each loop is woken once."""
    for loop in {id(job.loop): job.loop for job, _, _ in results}.values():
        own = [each for each in results if each[0].loop is loop]
        with suppress(RuntimeError):  # it has been closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, own)


def _settle(results: list[tuple[_Job, Any, BaseException | None]]) -> None:
    for job, value, error in results:
        if job.future.done():
            continue  # cancelled
        if error is None:
            job.future.set_result(value)
        else:
            job.future.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))


_sender: _SenderThread | None = None
_starting = threading.Lock()


def _thread() -> _SenderThread:
    global _sender  # noqa: PLW0603  one per process, as there is one connection
    with _starting:
        if _sender is None or _sender.pid != os.getpid():
            _sender = _SenderThread()
        return _sender


os.register_at_fork(after_in_child=_starting._at_fork_reinit)  # type: ignore[attr-defined]


async def asend(
    task: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: SendOptions,
    *,
    queue: str | None = None,
) -> str:
    """As sending.send, for coroutines."""

    def write() -> Written:
        from fleet.tasks.sending import write

        return write(task, args, kwargs, options, queue=queue)

    ident: str = await _thread().put(write, is_call=True)
    return ident


async def asend_many(
    task: str, calls: Iterable[Call] | AsyncIterable[Call], options: SendOptions, *, queue: str | None = None
) -> list[str]:
    """As sending.send_many, for coroutines; `calls` are asked for in the event loop's thread."""
    idents: list[str] = []

    async def send(chunk: list[Call]) -> None:
        def work() -> list[str]:
            from fleet.tasks.sending import send_many

            return send_many(task, chunk, options, queue=queue)

        idents.extend(await _thread().put(work, is_call=False))

    chunk: list[Call] = []
    if isinstance(calls, AsyncIterable):
        async for call in calls:
            chunk.append(call)
            if len(chunk) == _CHUNK:
                await send(chunk)
                chunk = []
    else:
        each = iter(calls)
        while chunk := list(islice(each, _CHUNK)):
            await send(chunk)
    if chunk:
        await send(chunk)
    return idents
