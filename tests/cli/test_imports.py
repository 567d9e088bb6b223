"""What commands load: `fleet status` and `fleet send` are to feel instant, and time is what imports cost."""

from __future__ import annotations

import ast
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
MOST_MODULES_OF_TOP = 200
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
    "click.shell_completion",
    "string",
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
        (["validate"], MODELS, SERVERS | CLIENTS | {"sqlite3", "cronsim", "zoneinfo"}),
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


# Modules of fleet with code in them, without the checks. Before the rooms were made 29, 11 and 62. More is a decision:
# each costs a third of a millisecond, every time somebody types a command.
# In instructions of the whole command (valgrind), against 82433c0: validate 1.08, for 53 modules of checks instead of
# 31; send 1.07; status 0.84; a program's own `task.send` 0.97. Third parties' modules are as many: 19, 19, 18 and 6.
MOST_MODULES = {"validate": 34, "status": 15, "send": 82}


def has_code(module: str) -> bool:
    """A folder of modules that says no more than what it is for costs next to nothing."""
    file = ROOT / module.replace(".", "/")
    text = (file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text()
    return any(not isinstance(node, ast.Expr | ast.ImportFrom) for node in ast.parse(text).body)


@pytest.mark.parametrize("verb", MOST_MODULES)
def test_a_command_loads_no_more_modules_than_it_did(short_folder: Path, verb: str) -> None:
    found = loaded(short_folder, verb, *(["shop.tasks.x"] if verb == "send" else []))
    ours = [
        name
        for name in found
        if name.startswith("fleet.") and has_code(name) and not name.startswith("fleet.rules")
    ]
    assert len(ours) <= MOST_MODULES[verb], sorted(ours)


def test_who_starts_a_fleet_does_so_without_pydantic(short_folder: Path) -> None:
    """Neither the command, before it becomes the supervisor, nor the controller when it has read the file."""
    (short_folder / "fleet.toml").write_text(FLEET)
    shown = "print('loaded', *sys.modules)"
    becoming = f"os.execv = lambda *_: ({shown}, sys.stdout.flush(), os._exit(0))"
    up = f"import os, sys; {becoming}; sys.argv = ['fleet', 'up']; import fleet.__main__"
    reading = "assert fleet.controller.declared.reading.read(pathlib.Path('fleet.toml'), None).accepted"
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


def test_the_screen_of_top_loads_little(short_folder: Path) -> None:
    """All of it, as it is when the first frame is drawn; nothing is drawn here."""
    (short_folder / "fleet.toml").write_text(FLEET)
    script = (
        "import sys; before = set(sys.modules); import fleet.cli.top, fleet.cli.screen.terminal, fleet.visible;"
        "from fleet.cli.file.locate import locate; locate(None, None);"
        "print(*(sys.modules.keys() - before))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=short_folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = set(ran.stdout.split())
    assert "fleet.cli.screen.frame" in found
    assert not (SERVERS | CLIENTS | SLOW | MODELS | {"sqlite3"}) & found
    assert len(found) < MOST_MODULES_OF_TOP, sorted(found)
