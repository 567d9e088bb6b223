"""One side of the comparison: what it has to be able to do, and how its workers are watched from outside."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from pathlib import Path

from benchmarks.supervisors.processes import alive, kill, marked, until

_READY = re.compile(rb"\bready[.:](?=\s)")


class ReadyLines:
    """Counts what workers say in their logs, fleet's "w/0 ready: …" and Celery's "w0@host ready."."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}
        self.count = 0

    def look(self) -> int:
        """How many there have been up to now."""
        for path in self._folder.glob("w*.log"):
            begin = self._read.get(path, 0)
            if path.stat().st_size <= begin:
                continue
            with path.open("rb") as log:
                log.seek(begin)
                text = log.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read[path] = begin + len(whole)
            self.count += len(_READY.findall(whole))
        return self.count


class Side:
    """`with Side(folder, broker) as side`: nothing runs before `start`, and nothing is left behind."""

    name = ""
    package = ""
    respawns = True
    worker_word = ""  # what tells the command line of a worker

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder, self.broker = folder, broker
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self.mark = f"FLEET_BENCHMARK={uuid.uuid4().hex}"
        self.environment = {**os.environ, **dict([self.mark.split("=")]), "NO_COLOR": "1"}
        self.environment.pop("PYTHONPATH", None)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.prepare()
        self.ready = ReadyLines(self.logs)

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        kill(marked(self.mark))
        if self.daemon is not None:
            self.daemon.wait()

    # What each does in its own way.

    def prepare(self) -> None:
        """Write its files."""

    def start(self, workers: int) -> None:
        """Begin to start so many workers, as a person would."""
        raise NotImplementedError

    def supervising(self) -> set[int]:
        """What runs beside the workers."""
        raise NotImplementedError

    def workers(self) -> set[int]:
        raise NotImplementedError

    def restart(self) -> None:
        """Give the command that replaces every worker, and don't wait."""
        raise NotImplementedError

    def save(self, size: int) -> None:
        """Write another environment of the workers into the file, and have it heeded."""
        raise NotImplementedError

    def stop(self) -> None:
        """Give the command that ends everything in order."""
        raise NotImplementedError

    # For all.

    def run_daemon(self, command: list[str | Path]) -> None:
        with (self.folder / "output").open("ab") as output:
            self.daemon = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def tell(self, command: list[str | Path]) -> None:
        """Run one of its commands, and go on meanwhile."""
        with (self.folder / "commands").open("ab") as output:
            subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=output, stderr=output)

    def bring_up(self, workers: int) -> float:
        """Seconds from the command to the last worker ready."""
        before = self.ready.look()
        self.start(workers)
        return until(lambda: self.ready.look() >= before + workers, what=f"{self.name}: {workers} workers")

    def bring_down(self) -> float:
        """Seconds from the command to the last process gone."""
        mine = marked(self.mark)
        self.stop()
        return until(lambda: not any(map(alive, mine)), what=f"{self.name} ends")
