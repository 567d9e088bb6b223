"""Processes, forked by multiprocessing's fork server from one that has the app: for CPU-bound tasks.

All of it happens in the loop's thread: the reactor watches one socket and one sentinel per process. A process
runs one delivery after the other; short ones are sent ahead (assigning.py). One that dies takes down nothing but
what it had begun, and is replaced at once. One that has done its share (see recycling) is replaced first, and
then ends.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from functools import partial
from typing import Any

from fleet.broker.delivery import Delivery
from fleet.spec import WorkerSpec
from fleet.worker.headers import hard_limit_of, task_of
from fleet.worker.outcome import Outcome, Own, Policy, default_policy, under
from fleet.worker.pools import Host, child
from fleet.worker.pools.assigning import Assigner
from fleet.worker.pools.deadlines import Deadlines
from fleet.worker.pools.forkserver import ForkServer
from fleet.worker.pools.inspector import Inspector
from fleet.worker.pools.process import PoolProcess, describe_exit
from fleet.worker.recycling import last_task

_PATIENCE_AT_BIRTH = 3  # processes that die one after the other before they are up
_PAUSE_AFTER_STILLBIRTH = 0.5  # seconds
_CLOSE_SECONDS = 5.0
_TASKS_AHEAD = 20  # a twentieth of its tasks before its last one a process gets a successor


class PreforkPool:
    """`concurrency` processes, started in the first turn of the loop: the fork server boots meanwhile."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._fork_server = ForkServer(host)
        self._spec = host.launch.spec
        self._policy = default_policy(self._spec)
        self._owns: dict[str, Own] = {}
        self._policies: dict[str, Policy] = {}
        self._processes: dict[int, PoolProcess] = {}  # by pid
        self._waiting: deque[Delivery] = deque()  # for a process that is not there yet
        self._stillbirths = 0
        self._is_up = False
        self._assigner = Assigner(
            host,
            self._processes,
            collect=self._collect,
            seclude=self._seclude,
            watch=partial(self._watch, writable=True),
        )
        self._deadlines = Deadlines(
            host.reactor, self._processes, collect=self._collect, seclude=self._seclude, kill=self._kill
        )
        self._inspector = Inspector(host, self._processes, self._replace, self._condemn)
        host.reactor.call_at(0.0, self._populate)

    @property
    def children(self) -> tuple[int, ...]:
        return tuple(self._processes)

    @property
    def ahead(self) -> int:
        return self._assigner.ahead

    def takes_ahead(self, delivery: Delivery) -> bool:
        return not self._waiting and self._assigner.choose(delivery) is not None

    def submit(self, delivery: Delivery) -> None:
        process = self._assigner.choose(delivery)
        if process is None:
            self._waiting.append(delivery)
            return
        now = time.monotonic()
        limit = self._hard_limit(delivery)
        self._assigner.assign(delivery, process, limit, now)
        most = last_task(self._spec, process.share)
        if most is not None and process.sent >= most - most // _TASKS_AHEAD:
            # Early enough that the next one is up when this one has done its last.
            self._replace(process)
            process.dismissed |= process.sent >= most
        if limit is not None:
            self._deadlines.look_at(now + limit)

    def flush(self) -> None:
        self._assigner.flush()

    def recall(self) -> list[Delivery]:
        waiting, self._waiting = self._waiting, deque()
        back: list[Delivery] = []
        for process in list(self._processes.values()):
            back += process.take_back()
            self._rest(process)  # it may have begun nothing
        return [*back, *waiting]

    def configure(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._policy = default_policy(spec)
        self._policies = {name: under(self._policy, own) for name, own in self._owns.items()}
        for process in self._processes.values():
            self._tell_policy(process)
        self._assigner.configure(spec)
        self._populate()
        self._dismiss_surplus()
        self._inspector.configure(spec)

    def close(self) -> None:
        self._waiting.clear()
        for process in self._processes.values():
            self._unwatch(process)
            process.end()
            if process.count:
                process.kill()
        deadline = time.monotonic() + _CLOSE_SECONDS
        for process in self._processes.values():
            if not process.ends_before(deadline):
                process.kill()
            self._hear_last_words(process)
            process.leave()
        self._processes.clear()

    # Life and death of processes

    def _populate(self) -> None:
        while self._surplus() < 0:
            try:
                process = self._fork_server.fork(luck=self._host.random())
            except (EOFError, ConnectionError) as error:
                self._host.broken(f"the fork server ended while it imported the app ({error or 'see above'})")
                return
            self._processes[process.pid] = process
            self._watch(process)
            self._host.reactor.watch(process.sentinel, partial(self._bury, process))
            if self._policy != default_policy(self._host.launch.spec):
                self._tell_policy(process)

    def _surplus(self) -> int:
        """How many processes are too many; negative: how many are missing."""
        return sum(not each.outgoing for each in self._processes.values()) - self._spec.concurrency

    def _dismiss_surplus(self) -> None:
        staying = [each for each in self._processes.values() if not each.outgoing]
        staying.sort(key=lambda each: each.count > 0)  # those without work first
        for process in staying[: max(self._surplus(), 0)]:
            process.outgoing = True
            self._dismiss(process)

    def _replace(self, process: PoolProcess) -> None:
        """Start another one in its place; it works on until that one is up."""
        if not process.outgoing:
            process.outgoing = True
            # Not here: the fork server may take a moment, and a delivery is on its way.
            self._host.reactor.call_at(0.0, self._populate)

    def _relieve_one(self) -> None:
        """One more is up: one whose place it takes can go."""
        going = [each for each in self._processes.values() if each.outgoing and not each.dismissed]
        if going:
            self._dismiss(min(going, key=lambda each: each.count > 0))

    def _dismiss(self, process: PoolProcess) -> None:
        process.dismissed = True
        self._assigner.forget(process)
        self._host.back(process.take_back())
        if process.is_up and process.count == 0:
            process.end()

    def _tell_policy(self, process: PoolProcess) -> None:
        with contextlib.suppress(OSError):  # it has just died
            if not process.send_policy(self._policy):
                self._watch(process, writable=True)

    def _watch(self, process: PoolProcess, *, writable: bool = False) -> None:
        self._host.reactor.watch(process.sock.fileno(), lambda: self._talk(process), writable=writable)

    def _unwatch(self, process: PoolProcess) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._host.reactor.unwatch(process.sock.fileno())
        with contextlib.suppress(KeyError, ValueError):
            self._host.reactor.unwatch(process.sentinel)

    def _bury(self, process: PoolProcess) -> None:
        """It has ended: take its last words, account for what it had begun, replace it."""
        self._processes.pop(process.pid, None)
        self._assigner.forget(process)
        process.make_sure()
        self._hear_last_words(process)
        self._host.back(process.take_back())
        begun = process.take()
        self._unwatch(process)
        code = process.leave()
        for delivery in begun:
            self._host.done(delivery, process.outcome_of_death(code))
        if process.is_up or process.dismissed:
            self._populate()
        else:
            self._stillborn(code)

    def _hear_last_words(self, process: PoolProcess) -> None:
        with contextlib.suppress(OSError):
            self._listen(process)
        self._collect(process)

    def _seclude(self, process: PoolProcess) -> None:
        """Leave nothing in it but what it runs."""
        self._host.back(process.take_back())
        self._collect(process)

    def _kill(self, process: PoolProcess, verdict: Outcome) -> None:
        """For what it runs. Never before `_seclude`: the next one would be hit as well."""
        process.dismissed = True
        self._assigner.forget(process)
        process.verdict = verdict
        process.kill()

    def _condemn(self, process: PoolProcess, verdict: Outcome) -> None:
        self._seclude(process)
        self._kill(process, verdict)

    def _stillborn(self, code: int) -> None:
        self._stillbirths += 1
        if self._stillbirths >= _PATIENCE_AT_BIRTH:
            self._host.broken(f"a pool process {describe_exit(code)} before it was up")
            return
        self._host.reactor.call_at(time.monotonic() + _PAUSE_AFTER_STILLBIRTH, self._populate)

    # Talking with processes

    def _talk(self, process: PoolProcess) -> None:
        try:
            if process.has_unsent and process.flush():
                self._watch(process)
            self._listen(process)
        except OSError:
            # Only this end is closed; the sentinel says the rest.
            self._host.reactor.unwatch(process.sock.fileno())

    def _listen(self, process: PoolProcess) -> None:
        for kind, *rest in process.receive():
            if kind == child.RING:
                self._collect(process)
            elif kind == child.DONE:
                self._finished(process, *rest)
            elif kind == child.UP:
                self._born(process, *rest)
            else:
                self._host.broken(*rest)

    def _collect(self, process: PoolProcess) -> None:
        for delivery, outcome in process.entries():
            self._assigner.ended(delivery, outcome)
            self._host.done(delivery, outcome)
        self._rest(process)

    def _born(self, process: PoolProcess, owns: dict[str, Own]) -> None:
        process.is_up = True
        self._inspector.born(process)
        self._stillbirths = 0
        self._owns = owns
        self._policies = {name: under(self._policy, own) for name, own in owns.items()}
        if not process.dismissed:
            self._relieve_one()
        self._rest(process)
        if not self._is_up and all(each.is_up for each in self._processes.values()):
            self._is_up = True
            self._host.up(owns)

    def _finished(self, process: PoolProcess, serial: int, at: float, fields: tuple[Any, ...]) -> None:
        self._collect(process)  # what it ended before
        delivery, outcome = process.ended(serial, at), Outcome(*fields)
        self._assigner.ended(delivery, outcome)
        self._host.done(delivery, outcome)
        self._rest(process)

    def _rest(self, process: PoolProcess) -> None:
        """If it has nothing to do, find something."""
        if process.count or not process.is_up or process.pid not in self._processes:
            return  # it works, or is not there yet, or these were its last words
        if process.dismissed:
            process.end()
            return
        self._assigner.rest(process)
        if self._waiting:
            self.submit(self._waiting.popleft())

    def _hard_limit(self, delivery: Delivery) -> float | None:
        """Seconds; from the headers, since only the child decodes."""
        policy = self._policies.get(task_of(delivery), self._policy)
        return hard_limit_of(delivery, policy)
