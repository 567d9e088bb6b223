"""From the command to the first task done and to every worker ready, and the memory of all that then runs."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks import fleets, marks
from benchmarks.brokers import Brokers
from benchmarks.contenders import Contender
from benchmarks.fleets import Group
from benchmarks.processes import Tree, pss_megabytes
from benchmarks.runs import Bench, Numbers, bench, first_task
from benchmarks.supervisors.processes import kill, marked
from benchmarks.supervisors.side import ReadyLines

_WITHIN_SECONDS = 60.0


def start(contender: Contender, brokers: Brokers) -> Numbers:
    with bench(contender, brokers) as place:
        groups = _groups(place)
        place.queues = [group.queue for group in groups]
        command, logs = _prepare(place, groups)
        workers = sum(group.replicas for group in groups)
        for group in groups:
            place.environment["BENCH_QUEUE"] = group.queue
            place.prepare()
            place.side("preload", "1", "noop")
        place.environment.pop("FLEET_ROUTING", None)
        mark = f"BENCH_MARKS={place.marks}"
        ready = ReadyLines(logs)
        try:
            with Tree(command, place.environment, place.folder) as tree:
                tree.wait_for(lambda: marks.done(place.marks) > 0, _WITHIN_SECONDS, "a task done")
                tree.wait_for(lambda: ready.look() >= workers, _WITHIN_SECONDS, f"{workers} ready")
                ready_at = time.monotonic()
                return {
                    "start_seconds": first_task(place) - tree.began,
                    "ready_seconds": ready_at - tree.began,
                    # By their mark: Celery's detach themselves from the tree.
                    "pss_megabytes": pss_megabytes(sorted(marked(mark))),
                }
        finally:
            kill(marked(mark))


def _groups(place: Bench) -> list[Group]:
    one = place.contender
    if "4 groups" in one.name:
        return [Group(f"w{n}", f"{place.queue}-{n}", one.pool, one.concurrency) for n in range(4)]
    preload = "preload" in one.name
    return [Group("w", place.queue, one.pool, one.concurrency, replicas=20, preload=preload)]


def _prepare(place: Bench, groups: list[Group]) -> tuple[list[str], Path]:
    """The command, and the folder of the workers' logs."""
    one, folder = place.contender, place.folder
    if one.library == "fleet":
        file = fleets.write_fleet(folder, place.url, groups)
        return fleets.fleet_command(one, "up", "-f", file), folder / ".fleet" / "logs"
    logs = folder / "logs"
    logs.mkdir()
    if "multi" in one.name:
        return fleets.celery_multi(one, groups, logs), logs
    file = folder / "supervisord.conf"
    file.write_text(fleets.supervisord_file(one, groups[0], folder, logs))
    return fleets.supervisord(file), logs
