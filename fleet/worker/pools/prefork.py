"""Processes, forked by multiprocessing's fork server from one that has the app: for CPU-bound tasks.

All of it happens in the loop's thread: the reactor watches one socket and one sentinel per process. A process
runs one delivery after the other; short ones are sent ahead (assigning.py). One that dies takes down nothing but
what it had begun, and is replaced at once. One that has done its share (see recycling) is replaced first, and
then ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.launch_specs import WorkerSpec
from fleet.worker import stacks
from fleet.worker.desk_channel import LoopEnd
from fleet.worker.headers import hard_limit_of, label, task_of
from fleet.worker.outcome import Outcome, Own, Policy, default_policy, under, with_limits
from fleet.worker.pools import Host, child
from fleet.worker.pools.assigning import Assigner
from fleet.worker.pools.deadlines import Deadlines
from fleet.worker.pools.forkserver import ForkServer
from fleet.worker.pools.process import PoolProcess, describe_exit
from fleet.worker.pools.process_limits import ProcessLimits
from fleet.worker.private_queues import PrivateQueues
from fleet.worker.progress import LOST_SECONDS, HeldUp
from fleet.worker.recycling import last_task

if TYPE_CHECKING:
    from fleet.worker.pools.desk_process import DeskProcess

_MOST_FAILED_STARTS = 3  # processes that die one after the other before they are up
_PAUSE_AFTER_FAILED_START = 0.5  # seconds
_CLOSE_SECONDS = 5.0
_TO_SAY_WHERE_SECONDS = 0.5  # for the stacks of a process that is to be killed
_NOT_DEADLY = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
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
        self._failed_starts = 0
        self._is_up = False
        self._desk: DeskProcess | None = None
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
        self._limits = ProcessLimits(host, self._processes, self._replace, self._condemn)
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

    def look_for_begun(self) -> None:
        for process in list(self._processes.values()):
            self._collect(process)

    def missing(self, old: list[Delivery]) -> list[tuple[Delivery, str]]:
        """None: whoever is stuck before it has begun is replaced here, and what it should have begun counts."""
        now = time.monotonic()
        for process in list(self._processes.values()):
            current = process.current
            waits = (
                current is not None and current.delivery in old and process.is_up and not process.dismissed
            )
            if waits and now - process.current_since >= LOST_SECONDS and not process.has_begun:
                self._give_up(process)
        return []

    def forget(self, _delivery: Delivery) -> None:
        """Nothing is ever missing."""

    def held_up(self, _now: float) -> HeldUp | None:
        return None

    def warnings(self, _now: float) -> tuple[str, ...]:
        return ()

    def _give_up(self, process: PoolProcess) -> None:
        """A process does not begin what it was given."""
        taken = process.take_back()
        if not taken:
            return  # it has begun in this moment
        first = taken.pop(0)
        self._host.back(taken)
        process.dismissed = True
        self._assigner.forget(process)
        why = f"its pool process ({process.pid}) did not begin it for {LOST_SECONDS:.0f}s"
        self._host.log.error(f"{label(first)} is lost: {why}; the process is replaced")
        stacks.ask([process.pid])
        self._host.reactor.call_at(time.monotonic() + _TO_SAY_WHERE_SECONDS, process.kill)
        self._host.done(first, Outcome("lost", why))

    def terminate(self, delivery: Delivery, signum: int) -> None:
        for process in list(self._processes.values()):
            current = process.current
            if current is None or current.delivery is not delivery:
                continue
            if signum in _NOT_DEADLY:
                os.kill(process.pid, signum)
                return
            self._seclude(process)
            if process.current is current:
                # A pool process holds off what ends others: the worker decides when a task ends.
                signum = signal.SIGKILL if signum in child.HELD_OFF else signum
                self._doom(process, Outcome("lost", "terminated", exit_signal=signum, told="revoked"))
                os.kill(process.pid, signum)

    def pids(self) -> dict[Delivery, int]:
        """What has been submitted, and by which process it runs; -1: it has not begun."""
        found: dict[Delivery, int] = {}
        for process in list(self._processes.values()):
            found |= dict.fromkeys(process.submitted(), -1) | dict.fromkeys(process.begun(), process.pid)
        return found | dict.fromkeys(self._waiting, -1)

    def where(self) -> dict[Delivery, tuple[int, float]] | None:
        running = [(each, each.current) for each in list(self._processes.values())]
        return {
            sent.delivery: (process.pid, process.current_since)
            for process, sent in running
            if sent is not None and process.is_up
        }

    def configure(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._policy = default_policy(spec)
        self._learn(self._owns)
        for process in self._processes.values():
            self._tell_policy(process)
        self._assigner.configure(spec)
        self._populate()
        self._dismiss_surplus()
        self._limits.configure(spec)

    def close(self) -> None:
        self._waiting.clear()
        if self._desk is not None:
            self._desk.close()
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
            self._host.reactor.watch(process.sentinel, partial(self._reap, process))
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

    def _reap(self, process: PoolProcess) -> None:
        """Reap a process that has ended: take its last words, account for what it had begun, replace it."""
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
            self._failed_to_start(code)

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
        self._doom(process, verdict)
        process.kill()

    def _doom(self, process: PoolProcess, verdict: Outcome) -> None:
        process.dismissed = True
        self._assigner.forget(process)
        process.verdict = verdict

    def _condemn(self, process: PoolProcess, verdict: Outcome) -> None:
        self._seclude(process)
        self._kill(process, verdict)

    def _failed_to_start(self, code: int) -> None:
        self._failed_starts += 1
        if self._failed_starts >= _MOST_FAILED_STARTS:
            self._host.broken(f"a pool process {describe_exit(code)} before it was up")
            return
        self._host.reactor.call_at(time.monotonic() + _PAUSE_AFTER_FAILED_START, self._populate)

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
            elif kind == child.SHARED:
                self._separate(*rest)
            else:
                self._host.broken(*rest)

    def _separate(self, what: str) -> None:
        """Importing the app left something open in the fork server: begin anew with one that does not import it."""
        if not self._fork_server.is_separate:
            for each in self._processes.values():  # all from the same fork server, and end with it
                each.dismissed = True
            self._host.log.warning(
                f"{what}: pool processes would share it, so each imports the app by itself, which takes more time "
                'and memory. Open it in the task, or set opened_at_import = "share" if sharing does no harm'
            )
            self._fork_server.separate()

    def _collect(self, process: PoolProcess) -> None:
        for delivery, outcome in process.entries():
            if outcome is None:
                if delivery.on_begin is not None:
                    delivery.on_begin()
                continue
            self._assigner.ended(delivery, outcome)
            self._host.done(delivery, outcome)
        self._rest(process)

    def _born(self, process: PoolProcess, owns: dict[str, Own], private: PrivateQueues) -> None:
        process.is_up = True
        self._limits.born(process)
        self._failed_starts = 0
        self._owns = owns
        self._learn(owns)
        if not process.dismissed:
            self._relieve_one()
        self._rest(process)
        if not self._is_up and all(each.is_up for each in self._processes.values()):
            self._is_up = True
            if self._host.remote is not None:
                self._open_desk(self._host.remote)
            self._host.up(owns, private)

    def _open_desk(self, remote: LoopEnd) -> None:
        from fleet.worker.pools.desk_process import DeskProcess

        remote.pids_of = self.pids
        self._desk = DeskProcess(self._fork_server, remote, self._host.reactor, self._host.log)

    def _learn(self, owns: dict[str, Own]) -> None:
        limited = with_limits(owns, self._spec)
        self._policies = {name: under(self._policy, own) for name, own in limited.items()}

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
        if delivery.verdict is not None:
            return None
        policy = self._policies.get(task_of(delivery), self._policy)
        return hard_limit_of(delivery, policy)
