"""`python -m fleet.cli.console STATE_DIR NAME STARTS`: what `fleet up` shows while the fleet runs.

A process of its own: a terminal that blocks (Ctrl-S, a full pipe) stops this one and never the supervisor.
Its stdin is a pipe that the supervisor holds; end of file there is the end, and what came before says how
it ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import click

from fleet import program_labels
from fleet.cli.guard import guard_output
from fleet.cli.options import coloured
from fleet.cli.views.log_lines import LogPrinter
from fleet.duration_words import measured
from fleet.log_files import Ends, Follower
from fleet.log_files import select as select_logs
from fleet.slot_names import slot_of_program
from fleet.statedir import StateDir
from fleet.supervisor.client import Snapshot, SupervisorClient, SupervisorUnavailable
from fleet.visible import visible

_LOOK_AFTER_SECONDS = 0.1
_LOOK_AT_LEAST_EVERY_SECONDS = 0.5
_PATIENCE = 1.3
_GATHER_SECONDS = 0.3  # of changes, of which few are to be told here: each answer names all programs
_STDIN = 0


class Console:
    """Prints log lines on stdout and what concerns the fleet as a whole on stderr."""

    def __init__(self, state: StateDir, name: str, starts: Ends) -> None:
        """`starts` are the sizes of logs from before this run."""
        self._name = name
        self._began = time.monotonic()
        self._logs = state.logs
        self._follower = Follower(state.logs, select_logs(None), starts)
        self._printer = LogPrinter(sys.stdout)
        self._client = SupervisorClient(state.supervisor_socket)
        self._interrupts = 0
        self._is_draining = False
        self._is_hurried = False
        self._notices: list[str] = []

    def run(self) -> None:
        """Until the supervisor is gone."""
        signal.signal(signal.SIGINT, self._interrupted)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # blocked by whoever started us
        threading.Thread(target=self._watch, daemon=True).start()
        pause = _LOOK_AFTER_SECONDS
        while not self._supervisor_gone(pause):
            pause = next_pause(pause, printed=self._printer.print(self._follower.read()))
            self._print_notices()
        self._printer.print(self._follower.close())
        end = _read_all(_STDIN)
        if end and json.loads(end)["at_once"]:
            self._note_hurry()
        self._print_notices()
        self._say(self._how_it_ended(end))

    def _supervisor_gone(self, within: float) -> bool:
        readable, _, _ = select.select([_STDIN], [], [], within)
        return bool(readable)

    def _interrupted(self, _signum: int, _frame: FrameType | None) -> None:
        # The terminal sends it to the supervisor as well, which does the work.
        self._interrupts += 1
        if self._interrupts == 1:
            self._note_drain()
        elif self._interrupts == 2:
            self._note_hurry()

    def _watch(self) -> None:
        """In a thread of its own: note what the supervisor says of itself and of the controller."""
        crashes = 0
        snapshot = self._first_snapshot()
        try:
            while not snapshot.stopping:
                snapshot = self._client.wait(snapshot.sequence, 60.0)
                crashes = self._note_controller(snapshot, crashes)
                time.sleep(_GATHER_SECONDS)
        except SupervisorUnavailable:
            return
        self._note_drain()

    def _note_drain(self) -> None:
        """Once, whoever hears of it first: somebody pressed Ctrl-C, or the supervisor says so."""
        if not self._is_draining:
            self._is_draining = True
            self._notices.append(
                "draining: tasks in flight are being finished (Ctrl-C again to stop at once)"
            )

    def _note_hurry(self) -> None:
        """Once: by the second Ctrl-C, or by the supervisor's word, for two in a moment come as one, and there
        is `fleet down --now`.
        """
        if not self._is_hurried:
            self._is_hurried = True
            self._notices.append("stopping at once: what is unfinished goes back to the broker")

    def _first_snapshot(self) -> Snapshot:
        while True:
            try:
                return self._client.snapshot()
            except SupervisorUnavailable:
                time.sleep(0.05)

    def _note_controller(self, snapshot: Snapshot, before: int) -> int:
        """Workers' crashes are in the controller's log; its own can't be."""
        own = program_labels.controller(snapshot.programs)
        if own is None or own.last_exit is None or own.restarts <= before:
            return before
        crashed = "was restarted" if own.last_exit.code == 0 else "crashed and was started again"
        self._notices.append(f"the controller {crashed}; the workers go on working")
        return own.restarts

    def _print_notices(self) -> None:
        while self._notices:
            self._say(self._notices.pop(0))

    def _how_it_ended(self, message: bytes) -> str:
        after = f"{self._name} stopped after {measured(time.monotonic() - self._began)}"
        if not message:
            why = self._last_words() or "it was killed"
            return f"{self._name}: the supervisor is gone ({why}); the workers drain and end by themselves"
        if killed := [slot_of_program(name) for name in json.loads(message)["killed"]]:
            names = ", ".join(sorted(killed))
            return f"{after}; killed before the end of their work: {names}. It goes back to the broker."
        return f"{after}; all work in flight was finished or given back"

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self._logs / "supervisord.err").read_text(errors="replace").splitlines()
            return lines[-1] if lines else ""
        return ""

    def _say(self, text: str) -> None:
        text = visible(text)
        click.echo(click.style(text, bold=True) if coloured(sys.stderr) else text, err=True)


def next_pause(pause: float, *, printed: bool) -> float:
    """Seconds until the next look: often while there is output, for a look reads from each log there is."""
    return _LOOK_AFTER_SECONDS if printed else min(pause * _PATIENCE, _LOOK_AT_LEAST_EVERY_SECONDS)


def _read_all(fd: int) -> bytes:
    data = b""
    while chunk := os.read(fd, 65536):
        data += chunk
    return data


def main() -> None:
    """Ends silently when nobody reads its output any more."""
    guard_output()
    folder, name, starts = sys.argv[1:]
    sizes = {Path(path): size for path, size in json.loads(starts).items()}
    try:
        Console(StateDir(Path(folder)), name, sizes).run()
    except (BrokenPipeError, OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    main()
