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
MODELS = {"fleet.config.model"}
SLOW = {
    "pydantic",
    "importlib.metadata",
    "email",
    "ssl",
    "subprocess",
    "logging",
    "concurrent.futures",
    "http.client",
}


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
        (["send", "shop.tasks.x"], MODELS | {"sqlite3"}, SERVERS | CLIENTS | SLOW),
        (["route", "shop.tasks.x"], MODELS, SERVERS | CLIENTS | SLOW | {"sqlite3"}),
        (
            ["status"],
            {"fleet.cli.status"},
            SERVERS | CLIENTS | SLOW | MODELS | {"sqlite3"},
        ),
        (["explain", "FLT301"], MODELS, SERVERS | CLIENTS | {"sqlite3"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_loads_what_it_needs(
    short_folder: Path, arguments: list[str], needed: set[str], unneeded: set[str]
) -> None:
    found = loaded(short_folder, *arguments)
    assert needed <= found
    assert not unneeded & found


def test_who_starts_a_fleet_does_so_without_pydantic(short_folder: Path) -> None:
    """Neither the command, before it becomes the supervisor, nor the controller when it has read the file."""
    (short_folder / "fleet.toml").write_text(FLEET)
    shown = "print('loaded', *sys.modules)"
    becoming = f"os.execv = lambda *_: ({shown}, sys.stdout.flush(), os._exit(0))"
    up = f"import os, sys; {becoming}; sys.argv = ['fleet', 'up']; import fleet.__main__"
    reading = "assert fleet.controller.reading.read(pathlib.Path('fleet.toml'), None).accepted"
    controller = f"import pathlib, sys, fleet.controller.__main__; {reading}; {shown}"
    for script in (up, controller):
        ran = subprocess.run(
            [sys.executable, "-c", script],
            cwd=short_folder,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        found = set(ran.stdout.rpartition("loaded ")[2].split())
        assert "fleet.config.model" in found, ran.stderr
        assert not {"pydantic", "importlib.metadata"} & found
