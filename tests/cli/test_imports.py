"""What commands load: `fleet status` and `fleet send` are to feel instant, and time is what imports cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

FLEET = """
[fleet]
name = "shop"
app = "shop.tasks"
[queues.io]
workload = "io"
[[routes]]
task = "*"
queue = "io"
[workers.io]
queues = ["io"]
pool = "solo"
"""
SCRIPT = """
import sys
from fleet.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""
SERVERS = {"supervisor", "starlette", "uvicorn", "watchfiles", "asyncio", "multiprocessing"}
CLIENTS = {"kombu", "amqp", "redis", "gevent", "eventlet"}
SLOW = {"importlib.metadata", "email", "ssl", "subprocess", "logging", "concurrent.futures", "http.client"}


def loaded(folder: Path, *arguments: str) -> set[str]:
    (folder / "fleet.toml").write_text(FLEET)
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return set(ran.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("arguments", "needed", "unneeded"),
    [
        (["send", "shop.tasks.x"], {"pydantic", "sqlite3"}, SERVERS | CLIENTS | SLOW),
        (["route", "shop.tasks.x"], {"pydantic"}, SERVERS | CLIENTS | SLOW | {"sqlite3"}),
        (
            ["status"],
            {"fleet.cli.status"},
            SERVERS | CLIENTS | SLOW | {"sqlite3", "pydantic", "fleet.config.model"},
        ),
        (["explain", "FLT301"], {"pydantic"}, SERVERS | CLIENTS | {"sqlite3"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_loads_what_it_needs(
    short_folder: Path, arguments: list[str], needed: set[str], unneeded: set[str]
) -> None:
    found = loaded(short_folder, *arguments)
    assert needed <= found
    assert not unneeded & found
