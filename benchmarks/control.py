"""The control plane: what commands take as whole processes, and how soon an edit of the file is in force."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import fleets
from benchmarks.brokers import Brokers
from benchmarks.contenders import Contender
from benchmarks.processes import ROOT, Failed, Tree
from benchmarks.runs import Bench, Numbers, bench, spread, watch
from benchmarks.supervisors.side import ReadyLines

_WITHIN_SECONDS = 30.0


def control(contender: Contender, brokers: Brokers, times: int) -> Numbers:
    with bench(contender, brokers) as place:
        if contender.library == "celery":
            with place.worker() as worker:
                place.side("preload", "1", "noop")
                watch(place, worker, 1)
                return _each(times, lambda: _run(place, _celery(contender)))
        group = fleets.Group("w", place.queue, contender.pool, contender.concurrency)
        file = fleets.write_fleet(place.folder, place.url, [group])
        ready = ReadyLines(place.folder / ".fleet" / "logs")
        place.environment.pop("FLEET_ROUTING")
        command = fleets.fleet_command(contender, "up", "-f", file)
        with Tree(command, place.environment, place.folder) as tree:
            _wait_healthy(place, tree)
            if "save" in contender.name:
                return _saves(place, tree, file, ready, max(2, times // 4))
            verb = contender.name.split()[1]
            arguments = ["noop"] if verb == "send" else []
            return _each(
                times, lambda: _run(place, fleets.fleet_command(contender, verb, *arguments, "-f", file))
            )


def _celery(contender: Contender) -> list[str]:
    words = {"celery inspect ping": ["inspect", "ping"], "celery call": ["call", "noop"]}[contender.name]
    return [contender.python, "-m", "celery", "-A", "benchmarks.libraries.celery_", *words]


def _each(times: int, once: Callable[[], object]) -> Numbers:
    """The first one reads files that the others find in memory; it is left out."""
    nanoseconds = []
    for _ in range(times + 1):
        began = time.monotonic_ns()
        once()
        nanoseconds.append(time.monotonic_ns() - began)
    return spread(nanoseconds[1:])


def _run(place: Bench, command: list[str]) -> None:
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **place.environment}, capture_output=True, check=False
    )
    if ended.returncode != 0:
        raise Failed(f"{' '.join(command)}: {ended.returncode}\n{ended.stderr.decode()[-1000:]}")


def _wait_healthy(place: Bench, tree: Tree) -> None:
    command = fleets.fleet_command(place.contender, "status", "-f", place.folder / "fleet.toml")
    environment = {**os.environ, **place.environment}

    def healthy() -> bool:
        return (
            subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False).returncode
            == 0
        )

    tree.wait_for(healthy, _WITHIN_SECONDS, "a healthy fleet", every=0.2)


def _saves(place: Bench, tree: Tree, file: Path, ready: ReadyLines, times: int) -> Numbers:
    """An edit that needs new workers, until the first of them is ready."""
    declared, nanoseconds = file.read_text(), []
    for number in range(times):
        _wait_healthy(place, tree)
        before, began = ready.look(), time.monotonic_ns()
        file.write_text(f'{declared}\n[workers.w.env]\nNUMBER = "{number}"\n')
        tree.wait_for(lambda before=before: ready.look() > before, _WITHIN_SECONDS, "a new worker ready")  # type: ignore[misc]
        nanoseconds.append(time.monotonic_ns() - began)
    return spread(nanoseconds)
