"""`fleet validate --fix`, `--unsafe`, `--diff`: what happens to files, streams and exit codes."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from fleet.cli.file import fixing
from tests.cli.invoke import fleet

BAD = """\
# The shop.
[fleet]
app = "shop.tasks"

[queues.images]
workload = "cpu"

[[routes]]
task = "*"
queue = "imagse"    # a guess

[workers.images]
queues = ["images"]
pol = "prefork"     # for sure
concurrency = "2"
time_limit = "20s"
max_memory = "512MiB"
"""
SAFE = BAD.replace("pol =", "pool =").replace('"2"', "2")
ALL = SAFE.replace('"imagse"', '"images"')


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.toml"
    path.write_text(BAD)
    return path


def test_safe_fixes_and_what_is_left(file: Path) -> None:
    outcome = fleet("validate", file, "--fix", "--cpus", 2)
    assert file.read_text() == SAFE
    assert outcome.code == 1
    assert outcome.err == f"{file}: fixed 2, 1 left (1 fix needs --unsafe)\n"
    assert "error[FLT201]" in outcome.out
    assert "FLT003" not in outcome.out


def test_unsafe_ones_too_and_a_second_run_changes_nothing(file: Path) -> None:
    outcome = fleet("validate", file, "--fix", "--unsafe", "--cpus", 2)
    assert file.read_text() == ALL
    assert (outcome.code, outcome.err) == (0, f"{file}: fixed 3, 0 left\n")
    before = file.stat()
    outcome = fleet("validate", file, "--fix", "--unsafe", "--cpus", 2)
    assert (outcome.code, outcome.err) == (0, f"{file}: fixed 0, 0 left\n")
    assert file.stat() == before  # not even written


def test_a_diff_that_patch_applies_and_a_file_that_is_not_touched(file: Path) -> None:
    before = file.stat()
    outcome = fleet("validate", file, "--diff", "--unsafe", "--cpus", 2)
    assert outcome.code == 1
    assert file.stat() == before
    assert outcome.err == f"{file}: would fix 3, 0 left\n"
    assert outcome.out.startswith(f"--- {file}\n+++ {file}\n@@ ")
    if patch := shutil.which("patch"):
        subprocess.run([patch, str(file)], input=outcome.out, text=True, check=True, capture_output=True)
        assert file.read_text() == ALL
        assert fleet("validate", file, "--diff", "--unsafe", "--cpus", 2).out == ""


def test_a_diff_of_nothing_is_clean(file: Path) -> None:
    file.write_text(ALL)
    outcome = fleet("validate", file, "--diff", "--cpus", 2)
    assert (outcome.code, outcome.out) == (0, "")


def test_the_diff_of_a_fix_shows_no_secret(file: Path) -> None:
    file.write_text(ALL.rstrip("\n") + "\nenv = { API_TOKEN = 12345678 }")
    outcome = fleet("validate", file, "--diff")
    assert "-env = { API_TOKEN = *** }\n\\ No newline at end of file\n" in outcome.out
    assert '+env = { API_TOKEN = "***" }' in outcome.out
    assert "12345678" not in outcome.out


def test_fix_of_standard_input_writes_the_mended_text_to_standard_output(tmp_path: Path) -> None:
    arguments = ("validate", "-", "--stdin-filename", tmp_path / "shop.toml", "--fix", "--cpus", 2)
    outcome = fleet(*arguments, stdin=BAD)
    assert (outcome.code, outcome.out) == (1, SAFE)
    assert f"{tmp_path}/shop.toml:10:9" in outcome.err
    assert fleet(*arguments, stdin=ALL).out == ALL  # an editor puts this in place of its buffer
    broken = "[fleet\n"
    outcome = fleet(*arguments, stdin=broken)
    assert (outcome.code, outcome.out) == (1, broken)
    assert list(tmp_path.iterdir()) == []


def test_through_a_symlink_with_mode_and_byte_order_mark(file: Path, tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    target = file.rename(tmp_path / "releases" / "one.toml")
    target.write_bytes(b"\xef\xbb\xbf" + BAD.replace("\n", "\r\n").encode())
    target.chmod(0o640)
    file.symlink_to("releases/one.toml")
    assert fleet("validate", file, "--fix", "--cpus", 2).code == 1
    assert file.is_symlink()
    assert target.read_bytes() == b"\xef\xbb\xbf" + SAFE.replace("\n", "\r\n").encode()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["fleet.toml", "one.toml", "releases"]


def test_a_file_that_somebody_else_writes_meanwhile_is_left_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = fixing.mended

    def slow(*arguments: object, **options: object) -> object:
        file.write_text("# mine\n")
        return mended(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(fixing, "mended", slow)
    outcome = fleet("validate", file, "--fix")
    assert outcome.code == 1
    assert "changed by somebody else" in outcome.err
    assert file.read_text() == "# mine\n"


def test_fix_of_a_file_that_can_not_be_written_exits_2_and_leaves_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    outcome = fleet("validate", file, "--fix")
    assert outcome.code == 2
    assert outcome.err == f"Error: can't write {file}: Permission denied\n"
    assert file.read_text() == BAD
    assert [path.name for path in file.parent.iterdir()] == ["fleet.toml"]


def test_fix_with_json_prints_nothing_but_json(file: Path) -> None:
    outcome = fleet("validate", file, "--fix", "--json", "--cpus", 2)
    assert outcome.out.startswith("{")
    assert '"code": "FLT201"' in outcome.out


def test_unsafe_without_fix_is_refused(file: Path) -> None:
    outcome = fleet("validate", file, "--unsafe")
    assert outcome.code == 2
    assert "--fix or --diff" in outcome.err
    assert file.read_text() == BAD
