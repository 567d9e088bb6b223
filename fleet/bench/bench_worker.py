"""One real worker on an embedded broker in a folder of its own, and the ear that it reports to.

What the file says of the group holds: app, environment, limits. The broker does not: nothing reaches the user's queues,
and what a task sends waits in the folder until that is deleted.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fleet.advice.measured import PoolSetting
from fleet.control import NEW_FIELDS, Command, Report, read_report
from fleet.launch_specs import WorkerLaunch, WorkerSpec
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec
from fleet.telemetry import STATISTICS, WorkerAnswer, is_telemetry, read_line

QUEUE = "bench"
_PUBLISHED_AT_ONCE = 500
_LAST_LINES = 12


class BenchFailed(Exception):  # noqa: N818
    """The worker did not start, or ended; the text says what it wrote."""


@dataclass(slots=True)
class BenchWorker:
    """`start` first, `stop` in the end. It takes nothing before `go`: what is timed does not wait for its messages."""

    spec: WorkerSpec
    folder: Path
    report: Report | None = None
    answer: WorkerAnswer | None = None
    process: subprocess.Popen[bytes] | None = None
    _listener: socket.socket | None = None
    _line: socket.socket | None = None
    _inbox: bytes = b""
    _asked: int = 0
    _tells: bool = False
    _routing: RoutingSpec | None = field(default=None)

    def publish(self, task: str, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> None:
        """Messages for the task, into its own queue."""
        from fleet.broker.producer import Producer
        from fleet.protocol import Call
        from fleet.tasks.sending import posting

        rules = self._rules()
        producer, now = Producer(rules.broker), time.time()
        postings = [
            posting(
                Call(
                    id=f"{at}-{os.urandom(8).hex()}",
                    task=task,
                    args=tuple(args),
                    kwargs=dict(kwargs),
                    sent=now,
                ),
                rules.queues[0],
                None,
                origin="fleet bench",
            )
            for at, (args, kwargs) in enumerate(calls)
        ]
        for begin in range(0, len(postings), _PUBLISHED_AT_ONCE):
            producer.publish(postings[begin : begin + _PUBLISHED_AT_ONCE], rules.queues[0])

    def start(self) -> None:
        """Raises BenchFailed when the folder has too long a path for a socket."""
        control = self.folder / "control"
        self._listener = socket.socket(socket.AF_UNIX)
        try:
            self._listener.bind(str(control))
        except OSError as error:
            raise BenchFailed(f"{control}: {error}; a shorter TMPDIR helps") from error
        self._listener.listen()
        rules = self._rules()
        routing = self.folder / "routing.json"
        launch = WorkerLaunch(
            "bench/0", 0, "bench", self.spec, str(control), str(routing), paused_queues=(QUEUE,)
        )
        for file, text in ((routing, rules.to_json()), (self.folder / "launch.json", launch.to_json())):
            file.write_text(text)
            file.chmod(0o600)
        environment = {**os.environ, **self.spec.environment, "FLEET_ROUTING": str(routing)}
        for name in ("FLEET_SUPERVISED", "FLEET_STATE_DIR", "FLEET_FILE"):
            environment.pop(name, None)
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fleet.worker", str(self.folder / "launch.json")],
                cwd=self.spec.pythonpath[0] if self.spec.pythonpath else None,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _rules(self) -> RoutingSpec:
        if self._routing is None:
            queue = self.spec.queues[0]
            self._routing = RoutingSpec(self.spec.broker, (queue,), (RouteSpec(("*",), queue.name),))
        return self._routing

    def wait_ready(self, until: float) -> None:
        """Until it consumes. Raises BenchFailed; `until` is monotonic."""
        while self.report is None or self.report.state != "ready":
            if time.monotonic() >= until:
                raise BenchFailed(f"a worker on {self.spec.pool} was not ready in time{self._last_words()}")
            self.listen(0.1)
            self.ask_report()

    def listen(self, seconds: float) -> None:
        """Take what it says, for at most so long. Raises BenchFailed when it has ended."""
        assert self._listener is not None and self.process is not None
        if self._line is None:
            self._listener.settimeout(seconds)
            with suppress(TimeoutError):
                self._line, _ = self._listener.accept()
                self.ask_report()
        if self._line is not None:
            self._line.settimeout(max(seconds, 0.001))
            with suppress(TimeoutError):
                self._take(self._line.recv(1 << 20))
        if self.process.poll() is not None:
            raise BenchFailed(
                f"the worker on {self.spec.pool} ended with {self.process.returncode}{self._last_words()}"
            )

    def _take(self, data: bytes) -> None:
        *lines, self._inbox = (self._inbox + data).split(b"\n")
        for line in lines:
            with suppress(ValueError):
                if not is_telemetry(line):
                    self.report = read_report(line)
                elif isinstance(told := read_line(line), WorkerAnswer):
                    self.answer = told

    def go(self) -> None:
        """What has been published may begin."""
        self._send(Command("resume"))

    def ask_report(self) -> None:
        fields = [STATISTICS, *sorted(NEW_FIELDS)] if not self._tells else None
        self._tells = self._tells or self._line is not None
        self._send(Command("inspect", {"fields": fields} if fields else {}))

    def ask_ended(self, seconds: float) -> list[dict[str, Any]]:
        """The last that have ended, the oldest first; those that it can tell of."""
        self._asked, self.answer = self._asked + 1, None
        self._send(Command("ask", {"number": self._asked, "what": "ended"}))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.listen(0.05)
            if self.answer is not None and self.answer.to == self._asked:
                found = self.answer.said.get("ended")
                return found if isinstance(found, list) else []
        return []

    def _send(self, command: Command) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.sendall(json.dumps(command.to_dict()).encode() + b"\n")

    def stop(self, seconds: float) -> None:
        """What runs has so long to end; then everything is killed."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(seconds)
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for each in (self._line, self._listener):
            if each is not None:
                each.close()

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self.folder / "log").read_text(errors="replace").splitlines()[-_LAST_LINES:]
            return ":\n  " + "\n  ".join(lines) if lines else ""
        return ""


def bench_spec(group: WorkerSpec, setting: PoolSetting, folder: Path) -> WorkerSpec:
    """The group's settings with that pool and concurrency, and the broker in `folder`; nothing is retried."""
    return replace(
        group,
        fleet="bench",
        group="bench",
        broker=BrokerSpec(f"sqlite:///{folder}/broker.db"),
        queues=(QueueSpec(QUEUE, routing_key=QUEUE, dead_letter=f"{QUEUE}.dead"),),
        dead_letters=(),
        pool=setting.pool,
        concurrency=setting.concurrency,
        prefetch=None,
        acks="late",
        max_retries=0,
        grace_period_seconds=1.0,
        max_tasks=None,
        max_memory_bytes=None,
        max_age_seconds=None,
        user=None,
        nice=0,
        preload=False,
    )
