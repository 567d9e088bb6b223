"""Run kombu's tests in a pytest of their own, on an empty Redis of their own, with the transport under test."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.brokers import OwnRedis, free_port
from tests.support import ROOT

TESTS = (
    "t/integration/test_redis.py",
    "t/integration/test_redis_brpop_qos.py",
    "t/integration/test_more_cases.py",
    "t/unit/transport/virtual",
    "t/unit/transport/test_memory.py",
    "t/unit/test_simple.py",
    "t/unit/test_pidbox.py",
)

Outcomes = dict[str, tuple[str, str]]  # test → (passed, failed or skipped; the first line of why)


def run(suite: Path, kind: str, *, select: Sequence[str], keyword: str, seconds: float) -> Outcomes:
    """Outcomes of `select` (pytest's names; all of TESTS without) below `suite`, on the transport `kind`."""
    server = OwnRedis()
    server.start()
    try:
        with tempfile.TemporaryDirectory(prefix="kombu-suite-") as folder:
            report = Path(folder) / "report.xml"
            done = subprocess.run(
                [*_command(report, keyword), *(select or TESTS)],
                cwd=suite,
                env=_environment(suite, kind, server.port, Path(folder), seconds),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if not report.exists():
                raise SystemExit(f"pytest did not run:\n{done.stdout[-3000:]}")
            return _outcomes(report)
    finally:
        server.destroy()


def _command(report: Path, keyword: str) -> list[str]:
    plugins = [
        "-p",
        "tests.kombu_suite.plugin",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:rerunfailures",
        "-p",
        "no:xdist",
    ]
    names = ["-o", "python_classes=test_* Test*"]
    chosen = ["-k", keyword] if keyword else []
    return [sys.executable, "-m", "pytest", "-q", *plugins, *names, *chosen, "--junitxml", str(report)]


def _environment(suite: Path, kind: str, port: int, folder: Path, seconds: float) -> dict[str, str]:
    return {
        **os.environ,
        # fleet and its tests from here; kombu's tests from there.
        "PYTHONPATH": os.pathsep.join([str(suite), str(ROOT)]),
        "REDIS_HOST": "localhost",
        "REDIS_6379_TCP": str(port),
        "KOMBU_SUITE_KIND": kind,
        "KOMBU_SUITE_FOLDER": str(folder),
        "KOMBU_SUITE_URL": f"redis://localhost:{port}",
        "KOMBU_SUITE_DEAD_PORT": str(free_port()),
        "KOMBU_SUITE_SECONDS": str(seconds),
    }


def _outcomes(report: Path) -> Outcomes:
    found: Outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').removeprefix('t.')}::{case.get('name')}"
        bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
        if not bad:
            found.setdefault(name, ("passed", ""))
        else:
            outcome = "skipped" if bad[0].tag == "skipped" else "failed"
            found[name] = (outcome, (bad[0].get("message") or "").split("\n")[0][:200])
    return found
