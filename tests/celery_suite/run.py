"""Run Celery's integration suite in a pytest of its own, on a Redis of its own; what became of each test."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

from tests.brokers import OwnRedis
from tests.support import ROOT

# These start workers of their own in pytest's process, have keys that no other process has, or need a cloud.
_LEFT_OUT = ("test_backend_leak_in_fixture_teardown.py", "test_security.py", "test_backend.py")
Outcomes = dict[str, tuple[str, str]]


class Suite(NamedTuple):
    """`kind` is "fleet" or "celery"; `amqp_url` "" has tasks go by the Redis of the results."""

    kind: str
    pool: str = "prefork"
    concurrency: int = 1
    amqp_url: str = ""
    select: tuple[str, ...] = ()
    keyword: str = ""
    seconds: float = 60.0


def run(suite: Suite, tests: Path, folder: Path) -> Outcomes:
    """Logs and the report are left in `folder`. Each test's name → its outcome and why."""
    redis = OwnRedis()
    redis.start()
    try:
        report = folder / "report.xml"
        where = [f"t/integration/{name}" for name in suite.select] or [
            "t/integration",
            *(f"--ignore=t/integration/{name}" for name in _LEFT_OUT),
        ]
        command = [
            *(sys.executable, "-m", "pytest", "-p", "tests.celery_suite.plugin"),
            *("-p", "celery.contrib.pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-q", "--tb=short"),
            *(f"--junitxml={report}", "-o", "junit_family=xunit1", *where),
            *(("-k", suite.keyword) if suite.keyword else ()),
        ]
        with (folder / "pytest.log").open("wb") as log:
            subprocess.run(
                command,
                cwd=tests,
                env=_environment(suite, redis, folder),
                stdout=log,
                stderr=log,
                check=False,
            )
    finally:
        redis.destroy()
    return read(report) if report.exists() else {}


def _environment(suite: Suite, redis: OwnRedis, folder: Path) -> dict[str, str]:
    server = redis.url.rpartition("/")[0]
    return {
        **os.environ,
        "TEST_BROKER": suite.amqp_url or f"{server}/1",
        "TEST_BACKEND": f"{server}/0",
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": server.rpartition(":")[2],
        "SUITE_KIND": suite.kind,
        "SUITE_OUT": str(folder),
        "SUITE_POOL": suite.pool,
        "SUITE_CONCURRENCY": str(suite.concurrency),
        "SUITE_SECONDS": str(suite.seconds),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def read(report: Path) -> Outcomes:
    """A test with several entries (subtests, teardown) has failed if one of them has."""
    found: Outcomes = {}
    for case in ET.parse(report).iter("testcase"):
        parts = (case.get("classname") or "").split(".")
        at = next((i for i, part in enumerate(parts) if part.startswith("test_")), None)
        if at is None:
            continue  # pytest was interrupted
        name = "::".join([f"{parts[at]}.py", *parts[at + 1 :], case.get("name") or ""])
        outcome = ("passed", "")
        for child in case:
            if child.tag in ("failure", "error"):
                outcome = ("failed", _first_line(child))
            elif child.tag == "skipped":
                kind = "xfailed" if child.get("type") == "pytest.xfail" else "skipped"
                outcome = (kind, child.get("message") or "")
        if found.get(name, ("", ""))[0] != "failed":
            found[name] = outcome
    return found


def lost(outcomes: Outcomes, expected: dict[str, str], *, complete: bool) -> list[str]:
    """What passes with `celery worker` and not here, with why; `complete`: all tests were to run."""
    return [
        f"{name}: {outcomes.get(name, ('', 'did not run'))[1]}"
        for name, was in sorted(expected.items())
        if was == "passed"
        and (complete or name in outcomes)
        and outcomes.get(name, ("missing", ""))[0] != "passed"
    ]


def _first_line(node: ET.Element) -> str:
    return ((node.get("message") or node.text or "").strip().splitlines() or [""])[0][:200]
