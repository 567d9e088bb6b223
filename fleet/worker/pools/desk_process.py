"""The desk of a prefork worker: a process, forked like those that run tasks, for Celery's remote control and events.

The loop answers what it asks and sends it what happens; neither waits for the other. When it dies there is another
one. See `fleet/worker/remote.py` for what is asked, `fleet/celery/desk.py` for whom.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from typing import Any

from fleet.clock import time
from fleet.worker.desk_channel import Event, LoopEnd
from fleet.worker.log import Log
from fleet.worker.pools import child
from fleet.worker.pools.forkserver import ForkServer
from fleet.worker.pools.frames import Outbox, Unpacker, pack, receive
from fleet.worker.reactor import Reactor

_ANSWER_SECONDS = 10.0
_GOODBYE_SECONDS = 2.0
_AGAIN_SECONDS, _AGAIN_MOST_SECONDS = 1.0, 60.0
_ENDED = object()
_MOST_UNSENT_BYTES = 8 * 1024 * 1024  # of events that a desk which hangs has not read


class DeskProcess:
    """The loop's side; for its thread."""

    def __init__(self, fork_server: ForkServer, remote: LoopEnd, reactor: Reactor, log: Log) -> None:
        self._fork_server = fork_server
        self._remote = remote
        self._reactor = reactor
        self._log = log
        self._sock: socket.socket | None = None
        self._pause = _AGAIN_SECONDS
        self._closing = False
        self._start()

    def _start(self) -> None:
        if self._closing:
            return
        self._sock, theirs = socket.socketpair()
        try:
            self._process = self._fork_server.start(child.serve_desk, theirs)
        except (EOFError, ConnectionError):
            self._sock.close()
            self._sock = None
            self._start_again()
            return
        finally:
            theirs.close()
        self._sock.setblocking(False)
        self._inbox, self._outbox = Unpacker(), Outbox()
        self._started_at = time.monotonic()
        self._watch()
        self._remote.sink = self._push

    def _start_again(self) -> None:
        self._reactor.call_at(time.monotonic() + self._pause, self._start)
        self._pause = min(self._pause * 2, _AGAIN_MOST_SECONDS)

    def _watch(self, *, writable: bool = False) -> None:
        assert self._sock is not None
        self._reactor.watch(self._sock.fileno(), self._talk, writable=writable)

    def _push(self, events: list[Event]) -> None:
        self._send(("events", events))

    def _send(self, value: Any) -> None:
        if self._sock is None or self._outbox.put_bytes - self._outbox.gone_bytes > _MOST_UNSENT_BYTES:
            return
        self._outbox.put(pack(value))
        self._flush()

    def _flush(self) -> None:
        assert self._sock is not None
        with contextlib.suppress(OSError):  # its end is read, too
            self._outbox.send(self._sock)
        self._watch(writable=bool(self._outbox))

    def _talk(self) -> None:
        assert self._sock is not None
        if self._outbox:
            self._flush()
        try:
            data = receive(self._sock)
        except BlockingIOError:
            return
        if not data:
            self._gone()
            return
        for serial, question, arguments in self._inbox.feed(data):
            self._send(("answer", serial, self._answer(question, arguments)))

    def _answer(self, question: str, arguments: dict[str, Any]) -> Any:
        try:
            return self._remote.ask(question, **arguments)
        except Exception as error:  # whatever somebody sent by remote control
            self._log.error(f"remote control: {question}: {error!r}")
            return None

    def _gone(self) -> None:
        assert self._sock is not None
        self._remote.sink = None
        self._reactor.unwatch(self._sock.fileno())
        self._sock.close()
        self._sock = None
        self._process.join(0.5)
        if self._closing or self._process.exitcode == 0:
            return  # it is not wanted
        self._log.warning("the process for remote control has ended; another one takes its place")
        if time.monotonic() - self._started_at > _AGAIN_MOST_SECONDS:
            self._pause = _AGAIN_SECONDS
        self._start_again()

    def close(self) -> None:
        """The desk says goodbye to those who listen; not for long."""
        self._closing = True
        self._remote.sink = None
        if self._sock is None:
            return
        self._reactor.unwatch(self._sock.fileno())
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        self._process.join(_GOODBYE_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self._sock.close()
        self._sock = None


class SocketChannel:
    """The desk's side. A thread of its own reads: answers and events come by the same way."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._writing = threading.Lock()
        self._events: queue.SimpleQueue[list[Event] | None] = queue.SimpleQueue()
        self._answers: dict[int, queue.SimpleQueue[Any]] = {}
        self._serial = 0
        self._ended = False  # the worker answers nothing any more: it waits for this process to end
        threading.Thread(target=self._read, name="fleet-channel", daemon=True).start()

    def ask(self, question: str, **arguments: Any) -> Any:
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._writing:
            self._serial += 1
            serial = self._serial
            self._answers[serial] = answer
            self._sock.sendall(pack((serial, question, arguments)))
        if self._ended:  # after the reader may have looked for who waits
            answer.put(_ENDED)
        try:
            found = answer.get(timeout=_ANSWER_SECONDS)
        except queue.Empty:
            raise TimeoutError(f"the worker did not answer {question!r}") from None
        finally:
            self._answers.pop(serial, None)
        if found is _ENDED:
            raise ConnectionError(f"the worker has ended, and did not answer {question!r}")
        return found

    def events(self, timeout: float) -> list[Event] | None:
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            return []

    def _read(self) -> None:
        unpacker = Unpacker()
        while data := receive(self._sock):
            for kind, *rest in unpacker.feed(data):
                if kind == "events":
                    self._events.put(rest[0])
                elif (answer := self._answers.get(rest[0])) is not None:
                    answer.put(rest[1])
        self._ended = True
        for waiting in list(self._answers.values()):
            waiting.put(_ENDED)
        self._events.put(None)
