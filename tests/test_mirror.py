"""tests/unit mirrors fleet/: a test file stands where what it tests does, and no pure module is without one.

Pure is what has decisions in it and touches neither files nor sockets nor processes. Some are tested as a whole by a
suite of their own: those are listed, with the suite.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support import ROOT

UNIT = ROOT / "tests" / "unit"
FEWEST_DECISIONS = 3
IMPURE = {
    *("os", "sys", "socket", "select", "selectors", "signal", "subprocess", "threading", "multiprocessing"),
    *(
        "asyncio",
        "sqlite3",
        "tempfile",
        "shutil",
        "fcntl",
        "resource",
        "ctypes",
        "importlib",
        "pathlib",
        "http",
    ),
    *(
        "ssl",
        "kombu",
        "amqp",
        "redis",
        "supervisor",
        "gevent",
        "eventlet",
        "celery",
        "click",
        "starlette",
        "uvicorn",
    ),
}

# A package, a folder or a file of fleet → the suite that tests it.
ELSEWHERE = {
    "rules": "tests/rules",  # a good and a bad file for each finding
    "config": "tests/rules",  # and tests/validate
    "broker_url": "tests/rules",
    "advice": "tests/advice",
    "bench": "tests/advice",
    "export": "tests/export",
    "takeover": "tests/takeover",
    "cli": "tests/cli",
    # One suite over the stores, one over all brokers: nothing but a broker tells whether they are right.
    "broker/redis": "tests/integration/broker",
    "broker/rabbitmq": "tests/integration/broker",
    "broker/other_kombu": "tests/contract",
    "broker/leases.py": "tests/contract",
    "broker/leased/stats.py": "tests/integration/broker",
    "broker/looking.py": "tests/cli",
    "broker/delayed.py": "tests/cli",
    "broker/dead_letter_browser.py": "tests/cli",
    "scheduler/books": "tests/integration/scheduler",
    "worker/settling.py": "tests/simulated",
    "worker/probes.py": "tests/process",
    "worker/answering.py": "tests/process",
    "worker/control_client.py": "tests/process",
    "celery/message.py": "tests/celery",
    "scheduler/lease.py": "tests/celery",  # test_beat_service.py
    "schedules/order_effects.py": "tests/process",
    "scheduler/one_run.py": "tests/integration/scheduler",
    "controller/api": "tests/process",
    "controller/autoscale/counters.py": "tests/process",
    "simulation/svg.py": "tests/cli",
    "diagnostics/masked.py": "tests/unit/broker",  # test_masking.py: every report of a broker's password
    "protocol/words.py": "tests/unit/protocol",  # what its callers say
    "tasks/running.py": "tests/contract",
    "worker/events.py": "tests/celery",
    "worker/pools/solo.py": "tests/contract",
    "worker/workload.py": "tests/simulated",
}


def decisions(tree: ast.AST) -> int:
    kinds = (ast.If, ast.For, ast.While, ast.Try, ast.comprehension, ast.IfExp, ast.BoolOp, ast.Match)
    return sum(isinstance(node, kinds) for node in ast.walk(tree))


def imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def is_pure(tree: ast.AST) -> bool:
    return (
        decisions(tree) >= FEWEST_DECISIONS and not {name.split(".")[0] for name in imported(tree)} & IMPURE
    )


def is_elsewhere(name: str) -> bool:
    return any(name == each or name.startswith(f"{each}/") for each in ELSEWHERE)


def tree_of(file: Path) -> ast.AST:
    return ast.parse(file.read_text())


def untested() -> list[str]:
    tested = {name for file in UNIT.rglob("*.py") for name in imported(tree_of(file))}
    return [
        str(file.relative_to(ROOT / "fleet"))
        for file in sorted((ROOT / "fleet").rglob("*.py"))
        if ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") not in tested
        and is_pure(tree_of(file))
    ]


def test_every_pure_module_has_a_unit_test_or_a_suite() -> None:
    assert [name for name in untested() if not is_elsewhere(name)] == []


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_tested_elsewhere_is_there_and_so_is_its_suite(name: str) -> None:
    assert (ROOT / "fleet" / name).exists()
    assert list((ROOT / ELSEWHERE[name]).rglob("test_*.py")) or (ROOT / ELSEWHERE[name]).glob("FLT*")


def test_folders_of_unit_tests_are_folders_of_fleet() -> None:
    folders = {file.parent.relative_to(UNIT) for file in UNIT.rglob("test_*.py")}
    strays = [str(folder) for folder in folders if not (ROOT / "fleet" / folder).is_dir()]
    assert strays in ([], ["benchmarks"])
