"""FLT311 goes by the Python that runs the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.load import check
from fleet.config.source import from_bytes
from tests.unit.rules.fixtures import a_machine

FILE = """\
[fleet]
app = "shop.tasks"
{machine}
[queues.images]
workload = "cpu"
[[routes]]
task = "*"
queue = "images"
[workers.images]
queues = ["images"]
pool = "threads"
concurrency = 8
{env}
"""
HERE, SAID, DENIED = "", "[machine]\nfree_threaded = true", "[machine]\nfree_threaded = false"


@pytest.mark.parametrize(
    ("validator_has_gil", "machine", "env", "severity"),
    [
        (True, HERE, "", "warning"),
        (False, HERE, "", "info"),
        (True, SAID, "", "info"),
        (False, DENIED, "", "warning"),
        (False, HERE, 'env = { PYTHON_GIL = "1" }', "warning"),
        (False, HERE, 'env = { PYTHON_GIL = "0" }', "info"),
        (True, HERE, 'env = { PYTHON_GIL = "0" }', "warning"),  # a Python with the lock knows no such switch
    ],
)
def test_what_counts_is_the_workers_python(
    validator_has_gil: bool, machine: str, env: str, severity: str, tmp_path: Path
) -> None:
    source = from_bytes(FILE.format(machine=machine, env=env).encode(), tmp_path / "fleet.toml")
    found = check(source, environ={}, machine=a_machine()._replace(has_gil=validator_has_gil)).diagnostics
    [severity_found] = [each.severity for each in found if each.code == "FLT311"]
    assert severity_found == severity
