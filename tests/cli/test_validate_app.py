"""`fleet validate --app`: whatever an import does, the validator says so and lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleet.cli.file import app_inventory
from tests.cli.invoke import Outcome, fleet
from tests.support import ROOT, eventually, marked, unique

FLEET = """\
[fleet]
app = ["shop.tasks"]
env_file = "shop.env"

[queues.http]
workload = "io"

[[routes]]
task = "shop.tasks.*"
queue = "http"

[workers.http]
queues = ["http"]
pool = "threads"
concurrency = 4
"""
GOOD = "from fleet import task\n\n\n@task\ndef fetch(): ...\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop.env").write_text(f"SHOP={unique()}\n")
    (tmp_path / "shop.env").chmod(0o600)
    path = tmp_path / "fleet.toml"
    path.write_text(FLEET)
    return path


def validate(file: Path, app: str, *arguments: str) -> Outcome:
    (file.parent / "shop" / "tasks.py").write_text(app)
    outcome = fleet("validate", file, "--app", "--format", "concise", *arguments)
    assert outcome.err == ""
    return outcome


def test_every_task_is_consumed(file: Path) -> None:
    outcome = validate(file, GOOD, "--format", "text")
    assert outcome.code == 0
    assert outcome.out.endswith(
        "nothing wrong with 1 worker group, 1 queue, 1 route; 1 task of the app, each consumed\n"
    )


def test_validate_app_names_tasks_that_reach_no_consumed_queue(file: Path) -> None:
    app = GOOD + '\n\n@task(name="mail.send")\ndef send(): ...\n\n\n@task(queue="htp")\ndef odd(): ...\n'
    outcome = validate(file, app)
    assert outcome.code == 1
    assert [line.split(" ", 1)[1] for line in outcome.out.splitlines()] == [
        'error[FLT206] @task(queue="htp") of the task shop.tasks.odd (shop/tasks.py:12): '
        "no such queue is declared",
        "error[FLT206] no route takes the task mail.send (shop/tasks.py:8): sending it fails",
    ]


def test_what_the_app_says_goes_before_what_is_only_suspected(file: Path) -> None:
    file.write_text(FLEET.replace('queue = "http"', 'queue = "mail"') + "[queues.mail]\n")
    assert "FLT102" in fleet("validate", file).out
    outcome = validate(file, GOOD)
    assert "FLT102" not in outcome.out
    assert 'goes to the queue "mail", which no group with replicas consumes' in outcome.out


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("import shp\n", "ModuleNotFoundError: No module named 'shp' (shop/tasks.py:1)"),
        ("\n\ndef\n", "SyntaxError: invalid syntax (shop/tasks.py:3)"),
        ("import json\n\njson.loads('{')\n", "(shop/tasks.py:3)"),
        ("raise SystemExit('no')\n", "it ends the process: sys.exit('no') (shop/tasks.py:1)"),
        ("import os\nos._exit(4)\n", "it ended the process with exit code 4"),
        ("import ctypes\n\nctypes.string_at(0)\n", "it ended the process by SIGSEGV (shop/tasks.py:3)"),
        ("import os\nos.kill(os.getpid(), 9)\n", "it ended the process by SIGKILL"),
    ],
)
def test_validate_app_says_why_an_import_fails(file: Path, app: str, said: str) -> None:
    outcome = validate(file, app)
    assert outcome.code == 1
    (line,) = outcome.out.splitlines()
    assert line.startswith(f"{file}:2:8: error[FLT704] the app `shop.tasks` can't be imported: ")
    assert said in line


def test_an_import_that_hangs_is_ended_with_all_it_started(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_inventory, "SECONDS", 1.0)
    app = 'import subprocess, time\nsubprocess.Popen(["sleep", "600"])\nprint("dialling")\ntime.sleep(600)\n'
    before = time.monotonic()
    outcome = validate(file, app, "--format", "text")
    assert time.monotonic() - before < 60
    said = " ".join(outcome.out.split())
    assert "it did not come back within 1 s (shop/tasks.py:4)" in said
    assert "dialling" in said
    assert not marked((file.parent / "shop.env").read_text().strip())


def test_validate_app_cuts_the_endless_output_of_an_import(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_inventory, "SECONDS", 1.0)
    outcome = validate(file, "while True: print('noise' * 99)\n", "--format", "text")
    assert "it did not come back within 1 s (shop/tasks.py:1)" in " ".join(outcome.out.split())
    assert len(outcome.out) < 5000


def test_output_threads_and_exit_hooks_disturb_nothing(file: Path) -> None:
    app = GOOD + (
        "import atexit, sys, threading, time\n"
        'print("{}"); print("noise", file=sys.stderr); sys.stdout.close()\n'
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "atexit.register(time.sleep, 600)\n"
    )
    assert validate(file, app).code == 0


def test_validate_app_runs_as_a_worker_would(file: Path) -> None:
    (file.parent / "lib").mkdir()
    (file.parent / "lib" / "helper.py").write_text("X = 1\n")
    file.write_text(FLEET.replace("[fleet]", '[fleet]\npythonpath = [".", "lib"]'))
    app = GOOD + "import os, helper\nassert os.environ['SHOP']\nassert os.path.exists('fleet.toml')\n"
    assert validate(file, app).code == 0


def test_an_app_is_imported_once_for_all_environments(file: Path) -> None:
    file.write_text(
        FLEET + "[env.a]\nworkers.http.concurrency = 3\n[env.b]\nfleet.app = ['shop.tasks', 'shop']\n"
    )
    validate(file, GOOD + "open('imports', 'a').write('x')\n")
    assert (file.parent / "imports").read_text() == "xx"


def test_a_file_that_leaves_it_open_what_to_import_is_not_asked_about(file: Path) -> None:
    file.write_text(FLEET.replace('["shop.tasks"]', "3.5.6"))
    assert "FLT704" not in validate(file, "import shp\n").out
    file.write_text(FLEET.replace('["shop.tasks"]', "true"))
    assert "FLT704" not in validate(file, "import shp\n").out


def test_an_env_file_that_can_not_be_read(file: Path) -> None:
    (file.parent / "shop.env").unlink()
    outcome = fleet("validate", file, "--app")
    assert outcome.code == 2
    assert "fleet.env_file: can't read" in outcome.err


@pytest.mark.parametrize("name", ["fleet.toml", "examples/rabbitmq/fleet.toml"])
def test_our_own_examples_are_covered(name: str) -> None:
    outcome = fleet("validate", ROOT / name, "--app", "--cpus", 2, "--strict")
    assert outcome.code == 0, outcome.out
    assert "each consumed" in outcome.out


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGINT])
def test_whoever_ends_the_command_ends_the_import_and_what_it_started(
    file: Path, tmp_path_factory: pytest.TempPathFactory, signum: signal.Signals
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    begun = file.parent / "begun"
    (file.parent / "shop" / "tasks.py").write_text(
        "import pathlib, subprocess, time\n"
        'subprocess.Popen(["sleep", "600"])\n'
        f"pathlib.Path({str(begun)!r}).touch()\n"
        "time.sleep(600)\n"
    )
    command = subprocess.Popen(
        [sys.executable, "-m", "fleet", "validate", "--app", str(file)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(begun.exists, within=60)
    command.send_signal(signum)
    command.wait(60)
    mark = (file.parent / "shop.env").read_text().strip()
    eventually(lambda: not marked(mark), within=30, message="no process is left")
    assert not list(temporary.iterdir())


CELERY_FLEET = """\
[fleet]
app = "shop.tasks:app"
env_file = "shop.env"

[broker]
url = "redis://127.0.0.1:6379/0"

[queues.celery]
workload = "io"

[workers.main]
queues = ["celery"]
pool = "threads"
concurrency = 4
"""
CELERY_APP = """\
from celery import Celery

app = Celery("shop", broker="redis://127.0.0.1:6379/0")
app.conf.task_routes = {"shop.tasks.resize": {"queue": "images"}}


@app.task
def fetch(): ...


@app.task(acks_late=True)
def resize(): ...
"""


def codes(outcome: Outcome) -> list[str]:
    return [line.split("] ")[0].rpartition(" ")[2] + "]" for line in outcome.out.splitlines()]


def test_each_task_of_a_celery_app_by_celerys_own_router(file: Path) -> None:
    file.write_text(CELERY_FLEET)
    outcome = validate(file, CELERY_APP)
    assert codes(outcome) == ["error[FLT206]", "info[FLT718]"]
    assert 'the queue "images", which Celery\'s router gives, of the task shop.tasks.resize' in outcome.out
    assert "1 task (shop.tasks.fetch)" in outcome.out
    file.write_text(
        CELERY_FLEET.replace('["celery"]', '["celery", "images"]') + '[queues.images]\nworkload = "io"\n'
    )
    assert codes(validate(file, CELERY_APP)) == ["info[FLT718]"]


def test_settings_of_a_celery_app_that_do_nothing_or_harm(file: Path) -> None:
    file.write_text(CELERY_FLEET + '[queues.images]\nworkload = "io"\n')
    settings = (
        "app.conf.update(worker_concurrency=16, worker_prefetch_multiplier=1, task_always_eager=True,"
        ' broker_transport_options={"visibility_timeout": 60}, broker_url="redis://u:hemlig@elsewhere/0")\n'
    )
    outcome = validate(file, CELERY_APP + settings)
    said = [line for line in outcome.out.splitlines() if "FLT717" in line]
    assert [line.split("[FLT717]")[0].split()[-1] for line in sorted(said)] == [
        "error",
        "info",
        "info",
        "warning",
        "error",
    ]
    assert "the app sends to redis://u:" in outcome.out
    assert "hemlig" not in outcome.out


def test_an_entry_of_beat_schedule_for_a_queue_that_nobody_consumes(file: Path) -> None:
    file.write_text(CELERY_FLEET + '[queues.images]\nworkload = "io"\n')
    entries = ", ".join(
        f'"{name}": {{"task": "shop.tasks.fetch", "schedule": 60, "options": {{"queue": "{name}"}}}}'
        for name in ("celery", "images", "missing")
    )
    outcome = validate(file, f"{CELERY_APP}app.conf.beat_schedule = {{{entries}}}\n")
    said = [line.split("] ")[1] for line in outcome.out.splitlines() if "FLT717" in line]
    assert said == [
        'beat_schedule sends "images" to the queue "images", which no group with replicas consumes',
        'beat_schedule sends "missing" to the queue "missing", which is not declared',
    ]
    file.write_text(CELERY_FLEET.replace("[fleet]", "[fleet]\nbeat = false"))
    assert "FLT717" not in validate(file, CELERY_APP).out


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("x = 1\n", "shop.tasks has no 'app'"),
        ("app = 1\n", "is no Celery app but an int"),
        ("import celery\ncelery_app = celery.Celery()\n", 'did you mean "shop.tasks:celery_app"?'),
        ("import shp\n", "No module named 'shp'"),
    ],
)
def test_a_celery_app_that_is_none(file: Path, app: str, said: str) -> None:
    file.write_text(CELERY_FLEET)
    outcome = validate(file, app)
    assert outcome.code == 1
    assert "error[FLT704]" in outcome.out
    assert said in outcome.out
