"""The shapes of what a fleet shows: JSON of its commands, files in its state directory, tables of its broker."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from tests.process.following import Following
from tests.support import eventually

APP = """
from fleet import task

@task(max_retries=0)
def fail():
    raise ValueError("no")
"""
FILE = """\
[fleet]
name = "shapes"
app = "work"

[queues.q]
workload = "io"

[[routes]]
task = "*"
queue = "q"

[workers.steady]
queues = ["q"]
pool = "threads"
concurrency = 2

[workers.scaled]
queues = ["q"]
pool = "solo"
replicas = { min = 1, max = 2 }

[rollout]
min_ready = "0s"

[env.edited.workers.steady]
concurrency = 3
env = { A = "1" }
"""
SCHEDULES = """\

[[schedules]]
task = "work.fail"
cron = "0 3 1 1 *"
"""
LOAD = "at,queue,per_second,task_seconds\n0,q,1,0.01\n60,q,1,0.01\n"
# Their keys are names that users give.
FREE_KEYS = {"tasks", "kwargs"}
_WAKE = re.compile(r"(?<=[.]wake/).+")
REPORTS = ("json", "sarif", "gitlab")


def outputs(folder: Path) -> dict[str, Any]:
    """Takes some seconds: a fleet is started in `folder`."""
    return outputs_of(Following(folder, FILE + SCHEDULES, APP))


def outputs_of(fleet: Following, absent: Container[str] = ()) -> dict[str, Any]:
    """Of the fleet, which is started and ended; without the commands that its version does not have."""
    folder = fleet.folder
    (folder / "wrong.toml").write_text(FILE.replace('"threads"', '"thread"'))
    (folder / "load.csv").write_text(LOAD)
    with fleet:
        fleet.settled("steady/0", "scaled/0", within=60)
        found = {"commands": dict(_commands(fleet, absent))}
        found["files"] = sorted(_files(folder / ".fleet"))
        found["events"] = shape([json.loads(line) for line in fleet.state.events.read_text().splitlines()])
        found["embedded broker"] = dict(_tables(folder / ".fleet" / "broker.db"))
    return found


def shape(value: Any) -> Any:
    """Keys, at every depth; of the elements of a list all keys together. What is at the ends is "value"."""
    if isinstance(value, dict):
        return {key: "value" if key in FREE_KEYS else shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        inner: Any = None
        for each in value:
            inner = merged(inner, shape(each))
        return ["nothing" if inner is None else inner]
    return "value"


def merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            key: merged(one.get(key), other.get(key))
            if key in one and key in other
            else one.get(key, other.get(key))
            for key in [*one, *(key for key in other if key not in one)]
        }
    if isinstance(one, list) and isinstance(other, list):
        return [merged(one[0], other[0])]
    # A null says nothing of what else may stand there.
    return other if one in (None, "value", "nothing") else one


def _commands(fleet: Following, absent: Container[str]) -> Iterator[tuple[str, Any]]:
    def said(*arguments: str) -> Any:
        done = fleet.command(*arguments, check=False)
        assert done.stdout, f"fleet {' '.join(arguments)}: {done.stderr}"
        try:
            return shape(json.loads(done.stdout))
        except json.JSONDecodeError:  # an object a line, as they happen
            return shape([json.loads(line) for line in done.stdout.splitlines()])

    for form in REPORTS:
        yield f"validate --format {form}", said("validate", "--format", form, "wrong.toml")
    yield "simulate", said("simulate", "load.csv", "--json")
    yield "explain", said("explain", "FLT301", "--json")
    yield "schema", sorted(json.loads(fleet.command("schema").stdout))
    yield "route", said("route", "a.b", "--json")
    yield "plan", said("plan", "--env", "edited", "--json")
    yield "send", said("send", "work.unknown", "--json")
    fleet.command("send", "work.fail")
    dead = eventually(lambda: _both_dead(fleet), within=30, message="two dead letters")
    yield "dead list", shape(dead)
    yield "dead show", said("dead", "show", _ids(dead)[0], "--json")
    yield "dead retry", said("dead", "retry", _ids(dead)[0], "--json")
    yield "dead purge", said("dead", "purge", "--all", "--yes", "--json")
    fleet.command("send", "work.fail", "--delay", "1h")
    if "delayed" not in absent:
        yield "delayed list", said("delayed", "list", "--json")
    if "schedule" not in absent:
        yield "schedule list", said("schedule", "list", "--json")
        yield "schedule next", said("schedule", "next", "--json")
        yield "schedule preview", said("schedule", "preview", "0 3 * * *", "--json")
    yield "scale", said("scale", "steady=2", "--for", "1h", "--reason", "x", "--json")
    yield "pause", said("pause", "scaled", "--json")
    yield "status", said("status", "--json")
    yield "resume", said("resume", "scaled", "--json")
    yield "drain", said("drain", "steady", "--json")
    yield "restart", said("restart", "scaled/0", "--json")
    yield "reload", said("reload", "--json")
    yield "restart --controller", said("restart", "--controller", "--json")


def _both_dead(fleet: Following) -> Any:
    dead = json.loads(fleet.command("dead", "list", "--json").stdout)
    return dead if len(_ids(dead)) == 2 else None


def _ids(dead: Any) -> list[str]:
    messages = dead["messages"] if isinstance(dead, dict) else dead
    return [each["id"] for each in messages]


def _files(folder: Path) -> set[str]:
    """Without numbers, and without the names of groups and of processes."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {re.sub(r"steady|scaled", "GROUP", re.sub(r"\d+", "N", _WAKE.sub("…", name))) for name in names}


def _tables(file: Path) -> Iterator[tuple[str, list[str]]]:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            yield name, [row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')]
