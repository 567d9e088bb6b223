"""What `fleet bench` and `fleet advise` answer of a workload: real workers, an embedded broker, a folder of its own."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from fleet.machine import this_machine
from fleet.statedir import StateDir
from tests.advice.conftest import TOML
from tests.support import ROOT

APART = "apart"
_BUDGET = 40  # of the bench, in seconds
_RUN_SECONDS = 15.0  # that the fleet runs, at least, before advice is asked for
_MOST_ROUNDS = 4
_PAUSE_SECONDS = 3.0  # between two waves of bursts


class Answer(NamedTuple):
    """`apart`: two queues are wanted. `said`: the tool's reason, a line for each time that it was asked."""

    pool: str
    concurrency: int
    apart: bool = False
    said: tuple[str, ...] = ()

    def __str__(self) -> str:
        return APART if self.apart else f"{self.pool} {self.concurrency}" if self.pool else "nothing"


@dataclass(frozen=True)
class Workload:
    """A module of tests/advice/workloads, or another one of the same form: what it says of itself."""

    module: str
    says: Mapping[str, Any]

    @classmethod
    def named(cls, name: str, package: str = "tests.advice.workloads") -> Workload:
        spec = find_spec(f"{package}.{name}")
        assert spec is not None and spec.origin, f"no module {package}.{name}"
        return cls(spec.name, _literals(Path(spec.origin)))

    @property
    def every(self) -> Mapping[str, int]:
        """Of each task how many messages for each of the others."""
        found: Mapping[str, int] = self.says.get("EVERY", {"work": 1})
        return found

    def is_right(self, answer: Answer) -> bool:
        right = self.says["RIGHT"]
        if right == APART or answer.apart:
            return right == APART and answer.apart
        pools, fewest, most = right
        return answer.pool in pools and number(fewest) <= answer.concurrency <= number(most)

    def expected(self) -> str:
        if self.says["RIGHT"] == APART:
            return APART
        pools, fewest, most = self.says["RIGHT"]
        return f"{' or '.join(sorted(pools))} {number(fewest)} to {number(most)}"

    def write(self, folder: Path, pool: str, concurrency: int) -> Path:
        file = folder / "fleet.toml"
        memory = self.says.get("MEMORY", "16GiB")
        text = TOML.format(app=self.module, root=ROOT, pool=pool, concurrency=concurrency, memory=memory)
        file.write_text(text)
        return file


def _literals(file: Path) -> dict[str, Any]:
    """Of constants at the top of the module; the tasks of two modules can't be in one process."""
    found = {}
    for each in ast.parse(file.read_text()).body:
        if (
            isinstance(each, ast.Assign)
            and isinstance(name := each.targets[0], ast.Name)
            and name.id.isupper()
        ):
            with suppress(ValueError):
                found[name.id] = ast.literal_eval(each.value)
    return found


def number(said: str | int) -> int:
    """ "cpus" is that many of this machine."""
    cpus = this_machine().cpus.value
    return {"cpus": cpus, "cpus/2": max(1, cpus // 2)}[said] if isinstance(said, str) else said


def bench(workload: Workload, budget: int = 0) -> Answer:
    """What `fleet bench` recommends. AssertionError with its words where it fails."""
    with tempfile.TemporaryDirectory(prefix="fleet-judge-") as folder:
        file = workload.write(Path(folder), "threads", 2)
        said = json.loads(
            _fleet(
                file,
                "bench",
                *workload.every,
                "--budget",
                f"{budget or workload.says.get('BUDGET', _BUDGET)}s",
                "--json",
                within=240,
            )
        )
    found = [each["recommendation"] for each in said["tasks"]]
    reasons = tuple(
        str(each)
        for task, one in zip(said["tasks"], found, strict=True)
        for each in (_cells(task), one and one["reason"], *(one or {}).get("notes", ()), *task["notes"])
    )
    if said["apart"]:
        return Answer("", 0, apart=True, said=(said["apart"], *reasons))
    first = found[0] or {"pool": "", "concurrency": 0}
    return Answer(first["pool"], first["concurrency"], said=reasons)


def _cells(task: Mapping[str, Any]) -> str:
    alone = task["alone"] or {}
    cells = [f"{each['pool']} {each['concurrency']}: {each['per_second']:g}/s" for each in task["cells"]]
    return f"alone {alone.get('wall_seconds')} s, computes {alone.get('cpu_share')}; {', '.join(cells)}"


def advise(workload: Workload, rounds: int = _MOST_ROUNDS) -> Answer:
    """What is in the file after `fleet advise --write` was followed until it was silent."""
    pool, slots = workload.says["START"]
    said: list[str] = []
    with tempfile.TemporaryDirectory(prefix="fleet-judge-") as folder:
        file = workload.write(Path(folder), pool, number(slots))
        for _ in range(rounds):
            found = _round(workload, file)
            if any(each["kind"] == "split" for each in found["advice"]):
                return Answer(
                    "", 0, apart=True, said=(*said, *(each["evidence"] for each in found["advice"]))
                )
            said.append(_in_a_line(found))
            if not found["advice"]:
                break
        group = tomllib.loads(file.read_text())["workers"]["work"]
    return Answer(group["pool"], group.get("concurrency", 1), said=tuple(said))


def _in_a_line(found: Mapping[str, Any]) -> str:
    evidence = found["evidence"]["work"]
    counted = ", ".join(
        f"{each['task']} {each['ran']} times {each['wall_seconds']} s, cpu {each['cpu_seconds']}, "
        f"share {each['cpu_share']}, waited {each['wait_p95_seconds']}"
        for each in evidence["tasks"]
    )
    return (
        f"{evidence['pool']} {evidence['slots']} ({counted}; at once {evidence['at_once']}, "
        f"{evidence['per_second']}/s, CPU waits {evidence['waited_for_a_cpu']}): "
        + ("; ".join(f"{each['lines']}, {each['evidence']}" for each in found["advice"]) or "silent")
    )


def _round(workload: Workload, file: Path) -> dict[str, Any]:
    """One life of the fleet with that file: messages, evidence, advice; it is written into the file."""
    with _running(file):
        over = threading.Event()
        trouble: list[BaseException] = []
        feeder = threading.Thread(target=_feed, args=(workload, file, over, trouble))
        feeder.start()
        try:
            began, found = time.monotonic(), dict[str, Any]()
            while time.monotonic() - began < 100 and not trouble:
                time.sleep(2)
                if time.monotonic() - began < _RUN_SECONDS:
                    continue
                found = json.loads(_fleet(file, "advise", "--json"))
                if found["evidence"].get("work", {}).get("enough"):
                    break
            assert not trouble, f"no more messages: {trouble}"
            assert found["evidence"].get("work", {}).get("enough"), f"no evidence after 100 s: {found}"
            if found["advice"] and found["diff"]:
                found = json.loads(_fleet(file, "advise", "--json", "--write"))
            return found
        finally:
            over.set()
            feeder.join()


def _feed(workload: Workload, file: Path, over: threading.Event, trouble: list[BaseException]) -> None:
    try:
        _keep_fed(workload, file, over)
    except BaseException as error:  # told where the advice is waited for
        trouble.append(error)


def _keep_fed(workload: Workload, file: Path, over: threading.Event) -> None:
    """There is always a wave waiting; of bursts, one after the other, with a pause when it is done."""
    bursts = workload.says.get("BURSTS", 0)
    wave = workload.says["SENT"] // (bursts or 1)
    whole = sum(workload.every.values())
    low = 0 if bursts else wave // 2
    while not over.is_set():
        if _waiting(file) <= low:
            over.wait(_PAUSE_SECONDS if bursts else 0)
            for task, part in workload.every.items():
                _fleet(file, "send", task, "--count", str(max(1, wave * part // whole)))
        over.wait(0.5)


def _waiting(file: Path) -> int:
    [queue] = json.loads(_fleet(file, "status", "--json", codes=(0, 1)))["queues"]
    return int(queue["ready"] or 0)


@contextmanager
def _running(file: Path) -> Iterator[None]:
    _fleet(file, "up", "--detach", "--wait")
    try:
        yield
    finally:
        _fleet(file, "down", "--now", codes=(0, 1, 3))
        # What the next one counts is its own, from the beginning; only what was learnt stays.
        state = StateDir(file.parent / ".fleet")
        learnt = state.lessons.read_text() if state.lessons.exists() else "{}"
        shutil.rmtree(state.root)
        state.root.mkdir()
        state.lessons.write_text(learnt)


def _fleet(file: Path, *arguments: str, within: float = 120, codes: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "fleet", *arguments, "-f", str(file)],
        cwd=file.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=within,
    )
    assert done.returncode in codes, (
        f"fleet {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
    )
    return done.stdout
