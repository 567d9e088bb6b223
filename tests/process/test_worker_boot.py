"""A worker that can't start says why in one line and exits with the code that stops restarts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fleet.launch_specs import Exit, WorkerLaunch, WorkerSpec
from fleet.spec import BrokerSpec, QueueSpec
from tests.support import ROOT

pytestmark = pytest.mark.process


def start(
    folder: Path, pool: str = "solo", app: str = "shop", url: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a worker of the app in `folder` until it ends."""
    spec = WorkerSpec(
        fleet="shop",
        group="http",
        app=(app,),
        pythonpath=(str(folder),),
        broker=BrokerSpec(url or f"sqlite:///{folder}/broker.db"),
        queues=(QueueSpec("http"),),
        pool=pool,
        concurrency=2,
    )
    file = folder / "launch.json"
    file.write_text(WorkerLaunch("http/0", 0, "r", spec, "", str(folder / "routing.json")).to_json())
    return run(str(file), folder=folder)


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fleet.worker", *arguments],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{ROOT}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Its one error line."""
    assert done.returncode == Exit.BOOT_FAILED, done.stderr
    [line] = [line for line in done.stderr.splitlines() if " ERROR " in line]
    assert "Traceback" not in done.stderr
    return line


APPS = {
    "no such module": (None, "ModuleNotFoundError: No module named 'shop'"),
    "an import that fails": (
        "import os\nimport no_such_thing\n",
        "No module named 'no_such_thing' ({file}, line 2)",
    ),
    "a syntax error": ("x = 1\ndef f(:\n", "SyntaxError: invalid syntax ({file}, line 2)"),
    "an exception": ("def f():\n    raise ValueError('bad')\nf()\n", "ValueError: bad ({file}, line 2)"),
    "an exit": ("import sys\nsys.exit(1)\n", "SystemExit: 1 ({file}, line 2)"),
}


@pytest.mark.parametrize("pool", ["solo", "gevent", "prefork"])
@pytest.mark.parametrize("case", APPS)
def test_an_app_that_cannot_be_imported(short_folder: Path, pool: str, case: str) -> None:
    text, words = APPS[case]
    file = short_folder / "shop.py"
    if text is not None:
        file.write_text(text)
    line = reason(start(short_folder, pool))
    assert "the app 'shop' can't be imported" in line
    assert words.format(file=file) in line


def test_an_app_that_ends_the_process(short_folder: Path) -> None:
    (short_folder / "shop.py").write_text("import os\nos._exit(7)\n")
    assert "the fork server ended while it imported the app" in reason(start(short_folder, "prefork"))


def test_a_missing_extra_names_the_command(short_folder: Path) -> None:
    (short_folder / "gevent.py").write_text("raise ImportError('not installed')\n")
    assert "pip install 'fleet-workers[gevent]'" in reason(start(short_folder, "gevent"))


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_a_worker_refuses_to_patch_when_it_is_too_late(short_folder: Path, pool: str) -> None:
    (short_folder / "sitecustomize.py").write_text("import threading\n")
    assert f"can't patch for {pool}: threading loaded already" in reason(start(short_folder, pool))


def test_other_pools_do_not_mind_what_is_loaded(short_folder: Path) -> None:
    (short_folder / "sitecustomize.py").write_text("import threading\n")
    assert "No module named 'shop'" in reason(start(short_folder, "threads"))


@pytest.mark.parametrize("text", ["", "{}", '{"worker": 1}', "[]"])
def test_a_launch_file_that_is_none(short_folder: Path, text: str) -> None:
    (short_folder / "launch.json").write_text(text)
    assert "launch.json" in reason(run("launch.json", folder=short_folder))


def test_a_worker_without_a_launch_file_cannot_boot(short_folder: Path) -> None:
    assert "No such file" in reason(run("missing.json", folder=short_folder))
    assert run(folder=short_folder).returncode == 2


def test_nothing_hazardous_is_loaded_when_it_patches(short_folder: Path) -> None:
    """On every interpreter at hand: what they import by themselves differs. Without what others put into theirs."""
    probe = "import sys, fleet.worker.__main__ as w; print(sorted(w.monkey.HAZARDS & sys.modules.keys()))"
    for python in interpreters():
        shown = subprocess.run(
            [*python, "-c", probe], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
        )
        assert shown.stdout.strip() == "[]", python


def interpreters() -> list[list[str]]:
    others = Path.home().glob(".pyenv/versions/3.1[1-9].*/bin/python")
    return [[sys.executable], *([str(python), "-S"] for python in others)]


HEAVY = ("pydantic", "supervisor", "uvicorn", "starlette", "click", "tomli", "watchfiles")
FOREIGN = ("fleet.config.load", "fleet.rules", "fleet.controller", "fleet.cli", "fleet.supervisor")


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_a_worker_imports_no_more_than_it_needs(short_folder: Path, pool: str) -> None:
    """Shown by an app that refuses to be imported, with what is loaded by then."""
    (short_folder / "shop.py").write_text(
        "import sys\nfrom fleet import task\nraise ValueError(' '.join(sys.modules))\n"
    )
    loaded = set(reason(start(short_folder, pool)).split())
    assert "fleet.tasks" in loaded
    assert not loaded & {*HEAVY, *FOREIGN, "kombu"}
