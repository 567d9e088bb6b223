"""Several workers under what people start them with: `fleet up`, `celery multi`, supervisord."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import PEERS, Contender

_HEAD = """\
[fleet]
name = "bench"
app = "benchmarks.libraries.fleet_"

[broker]
url = "{url}"
"""
_GROUP = """
[queues."{group.queue}"]
workload = "cpu"

[workers.{group.name}]
queues = ["{group.queue}"]
pool = "{group.pool}"
concurrency = {group.concurrency}
replicas = {group.replicas}
preload = {preload}
"""
_ROUTE = """
[[routes]]
task = "{task}"
queue = "{queue}"
"""


@dataclass(frozen=True)
class Group:
    """Workers that are alike. Names begin with `w`, so that their logs do."""

    name: str
    queue: str
    pool: str
    concurrency: int
    replicas: int = 1
    preload: bool = False


def write_fleet(folder: Path, url: str, groups: Sequence[Group]) -> Path:
    """Its routes lead to the first group, but for names that nobody uses."""
    parts = [
        _HEAD.format(url=url),
        *(_GROUP.format(group=group, preload=str(group.preload).lower()) for group in groups),
        *(_ROUTE.format(task=f"{group.name}.*", queue=group.queue) for group in groups[1:]),
        _ROUTE.format(task="*", queue=groups[0].queue),
    ]
    file = folder / "fleet.toml"
    file.write_text("".join(parts))
    return file


def fleet_command(contender: Contender, *arguments: str | Path) -> list[str]:
    return [contender.python, "-m", "fleet", *map(str, arguments)]


def celery_flags(pool: str, concurrency: int) -> list[str]:
    """As in `Contender.command`, but it says when it is ready."""
    return [
        *("-P", pool, "-c", str(concurrency), "-l", "INFO"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


def celery_multi(contender: Contender, groups: Sequence[Group], logs: Path) -> list[str]:
    queues = [word for group in groups for word in (f"-Q:{group.name}", group.queue)]
    return [
        *(contender.python, "-m", "celery", "multi", "start", *(group.name for group in groups)),
        *("-A", "benchmarks.libraries.celery_", *celery_flags(groups[0].pool, groups[0].concurrency)),
        *(*queues, f"--pidfile={logs}/%n.pid", f"--logfile={logs}/%n.log"),
    ]


def supervisord_file(contender: Contender, group: Group, folder: Path, logs: Path) -> str:
    flags = " ".join(celery_flags(group.pool, group.concurrency))
    worker = f"{contender.python} -m celery -A benchmarks.libraries.celery_ worker -Q {group.queue} {flags}"
    return f"""\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid

[program:{group.name}]
command={worker} -n {group.name}%(process_num)02d@bench
process_name={group.name}%(process_num)02d
numprocs={group.replicas}
redirect_stderr=true
stdout_logfile={logs}/{group.name}%(process_num)02d.log
"""


def supervisord(file: Path) -> list[str]:
    return [str(PEERS / "bin" / "supervisord"), "-c", str(file)]
