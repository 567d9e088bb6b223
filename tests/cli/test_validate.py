"""`fleet validate` from outside: exit codes, formats, where its numbers come from, what it imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.invoke import fleet

GOOD = """\
[fleet]
app = "shop.tasks"

[queues.images]
workload = "cpu"

[[routes]]
task = "*"
queue = "images"

[workers.images]
queues = ["images"]
pool = "prefork"
concurrency = 2
time_limit = "25s"
max_tasks = 1000
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.toml"
    path.write_text(GOOD)
    return path


def test_validate_of_a_good_file_exits_0(file: Path) -> None:
    outcome = fleet("validate", file, "--cpus", 3)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{file}: nothing wrong with 1 worker group, 1 queue, 1 route\n"


def test_errors_fail_and_warnings_only_with_strict(file: Path) -> None:
    file.write_text(GOOD.replace("concurrency = 2\n", ""))
    assert fleet("validate", file).code == 0
    assert "warning[FLT305]" in fleet("validate", file).out
    assert fleet("validate", file, "--strict").code == 1
    file.write_text(GOOD.replace("prefork", "gevent"))
    assert fleet("validate", file).code == 1


def test_numbers_say_where_they_come_from(file: Path) -> None:
    outcome = fleet("validate", file, "--cpus", 1)
    assert outcome.code == 1
    assert "runs 2 processes, more than 1 CPU (--cpus)" in " ".join(outcome.out.split())
    file.write_text(GOOD + "\n[machine]\ncpus = 1\n")
    assert "more than 1 CPU ([machine])" in " ".join(fleet("validate", file).out.split())
    assert fleet("validate", file, "--cpus", 4).code == 0


def test_validate_json_has_the_contracts_shape(file: Path) -> None:
    file.write_text(GOOD.replace("pool", "pol"))
    for arguments in (["--json"], ["--format", "json"]):
        outcome = fleet("validate", file, *arguments)
        assert outcome.code == 1
        report = json.loads(outcome.out)
        assert [entry["code"] for entry in report["diagnostics"]] == ["FLT003"]
        assert report["file"] == str(file)


def test_validate_reads_standard_input() -> None:
    outcome = fleet("validate", "-", stdin=GOOD.replace("[[routes]]", "[[rutes]]"))
    assert outcome.code == 1
    assert "--> -:7:3" in outcome.out


def test_validate_without_a_file_finds_the_one_that_is_meant(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    monkeypatch.delenv("FLEET_FILE", raising=False)
    assert fleet("validate").out.startswith("fleet.toml: nothing wrong")
    assert fleet("validate", "-f", file).code == 0
    assert fleet("validate", "-f", file, file).code == 2


def test_validate_of_an_unreadable_file_exits_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = fleet("validate", tmp_path / "none.toml")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"Error: can't read {tmp_path}/none.toml: No such file or directory\n"
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLEET_FILE", raising=False)
    assert "fleet init" in fleet("validate").err


def test_a_file_that_cannot_be_read_hides_no_report_on_another(file: Path, tmp_path: Path) -> None:
    odd, huge = tmp_path / "odd.toml", tmp_path / "huge.toml"
    odd.write_bytes(b'app = "\xff"')
    huge.write_text(GOOD.replace("1000", "9" * 5000))
    outcome = fleet("validate", odd, huge, tmp_path / "none.toml", file, "--cpus", 3)
    assert outcome.code == 2
    assert "above 64 bits" in outcome.out
    assert f"{file}: nothing wrong" in outcome.out
    assert outcome.err.startswith(
        f"Error: can't read {odd}: line 1 is not UTF-8 text: save it as UTF-8; can't read "
    )
    fixed = fleet("validate", "--fix", odd, file, "--cpus", 3)
    assert (fixed.code, f"{file}: fixed 0, 0 left" in fixed.err) == (2, True)
    assert f"{file}: would fix 0" in fleet("validate", "--diff", odd, file, "--cpus", 3).err


def test_validate_merges_the_chosen_environment(file: Path) -> None:
    file.write_text(GOOD + "\n[env.small]\nmachine.cpus = 1\n[env.large]\nmachine.cpus = 64\n")
    outcome = fleet("validate", file, "--cpus", 8)
    assert outcome.code == 0
    file.write_text(GOOD + "\n[env.small]\nworkers.images.concurrency = 9\n[env.large]\n")
    outcome = fleet("validate", file, "--cpus", 8)
    assert outcome.code == 1
    assert "(with --env small)" in outcome.out
    assert fleet("validate", file, "--cpus", 8, "--env", "large").code == 0
    outcome = fleet("validate", file, "--env", "smal")
    assert outcome.code == 2
    assert "no [env.smal]; there are: small, large" in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cpus", "0"],
        ["--cpus", "x"],
        ["--memory", "much"],
        ["--memory", "16"],
        ["--node-memory", "much"],
        ["--node-cpus", "0"],
        ["--format", "xml"],
        ["--nope"],
        ["-f", "a"],
    ],
)
def test_validate_with_wrong_options_exits_2(file: Path, arguments: list[str]) -> None:
    outcome = fleet("validate", file, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Traceback" not in outcome.err


def test_validate_shows_no_secret(file: Path) -> None:
    file.write_text(GOOD + '\n[broker]\nurl = "amqp://shop:hunter2@rabbit//"\naccept = ["pickle"]\n')
    for form in ("text", "json"):
        outcome = fleet("validate", file, "--format", form)
        assert "FLT601" in outcome.out
        assert "hunter2" not in outcome.out + outcome.err


LEAKS = {
    "forgotten dash": '[broker]\nurl = "redis://:${REDIS_PW:hunter2}@h/0"',
    "no quotes": "[workers.images.env]\nDB_PASSWORD = hunter2",
    "quotes of a text program": "[workers.images.env]\nDB_PASSWORD = \u201chunter2\u201d",
    "colon": '[workers.images.env]\nSECRET_KEY: "hunter2"',
    "colon without a blank": "[workers.images.env]\nSECRET_KEY:hunter2",
    "quote in it": '[workers.images.env]\nDB_PASSWORD = "x"hunter2"',
    "default in a line": '[workers.web]\nqueues = ["images"]\npool = "solo"\nenv = { M = "${TOKEN:-hunter2}", X = 1 }',
    "default as a value": '[workers.web]\nqueues = ["images"]\npool = "${DB_PASSWORD:-hunter2}"',
    "content of a file": '[dashboard]\ntoken_file = "alice operator hunter2"',
    "value of a token's key": '[alerts]\nwebhook_file = "alice hunter2"',
}


@pytest.mark.parametrize("lines", LEAKS.values(), ids=LEAKS)
def test_no_secret_is_shown_of_a_line_that_is_wrong(file: Path, lines: str) -> None:
    file.write_text(f"{GOOD}\n{lines}\n")
    for form in ("text", "json"):
        outcome = fleet("validate", file, "--format", form)
        assert outcome.code == 1
        assert "hunter2" not in outcome.out + outcome.err


def test_a_mistake_of_ours_asks_for_a_report(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("fleet.config.load.check", broken)
    outcome = fleet("validate", file)
    assert (outcome.code, outcome.out) == (3, "")
    assert "RuntimeError: oops" in outcome.err
    assert "Please report it" in outcome.err


def test_validate_imports_only_what_it_needs(file: Path) -> None:
    file.write_text(GOOD + '\n[workers.io]\nqueues = ["images"]\npool = "gevent"\n')
    script = (
        "import sys\n"
        "from fleet.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "finally:\n"
        "    print(*sorted(sys.modules), file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, "validate", str(file)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    loaded = set(ran.stderr.split())
    assert "fleet.rules.pools.fit" in loaded
    heavy = {"kombu", "amqp", "gevent", "eventlet", "redis", "supervisor", "starlette", "uvicorn", "asyncio"}
    slow = {
        "pydantic",
        "pydantic_core",
        "difflib",
        "hashlib",
        "shutil",
        "importlib.metadata",
        "email",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
        "logging",
    }
    unasked = {
        "fleet.cli.file.probes",
        "fleet.cli.file.fixing",
        "fleet.config.key_docs",
        "fleet.config.schema",
        "fleet.tasks",
    }
    assert not (heavy | slow | unasked) & loaded


def test_the_stand_in_for_pydantics_plugins_is_one_only_for_that() -> None:
    script = (
        "from fleet.config.lean import without_plugins\n"
        "without_plugins()\n"
        "import sys, pydantic\n"
        "class Model(pydantic.BaseModel):\n"
        "    a: int\n"
        "assert Model(a='1').a == 1\n"
        "assert 'importlib.metadata' not in sys.modules\n"
        "from pydantic.plugin._loader import PYDANTIC_ENTRY_POINT_GROUP\n"
        "from pydantic.plugin._loader import get_plugins\n"
        "assert get_plugins.__module__ == 'pydantic.plugin._loader'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
