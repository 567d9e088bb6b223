"""How `fleet validate` reports: which format, under which name, into which file."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli.invoke import fleet
from tests.support import ROOT

WARNED = """\
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
time_limit = "20s"
max_memory = "512MiB"
"""
CLEAN = WARNED + "concurrency = 2\n"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither GitHub nor GitLab runs these tests, even if it does."""
    for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "deploy" / "fleet.toml"
    path.parent.mkdir()
    path.write_text(WARNED)
    return path


def test_a_warning_is_in_every_format_and_fails_only_when_strict(file: Path) -> None:
    for form in ("text", "concise", "json", "github", "gitlab", "sarif", "junit"):
        outcome = fleet("validate", file, "--format", form)
        assert (outcome.code, outcome.err) == (0, "")
        assert "FLT305" in outcome.out
        assert fleet("validate", file, "--format", form, "--strict").code == 1


def test_github_is_chosen_where_it_reads_along(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(file.parent)  # a job's working-directory is not what annotations start from
    assert fleet("validate").out.startswith("::warning file=deploy/fleet.toml,line=11,")
    assert fleet("validate", "--format", "text").out.startswith("warning[FLT305]")
    assert fleet("validate", "--json").out.startswith("{")
    fleet("validate", "--output-file", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text().startswith("warning[FLT305]")


def test_names_start_at_the_root_of_the_repository(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> str:
        name: str = json.loads(fleet("validate", file, "--format", "gitlab").out)[0]["location"]["path"]
        return name

    assert shown() == str(file)
    (tmp_path / ".git").mkdir()
    assert shown() == "deploy/fleet.toml"
    monkeypatch.setenv("CI_PROJECT_DIR", str(file.parent))
    assert shown() == "fleet.toml"
    sarif = json.loads(fleet("validate", file, "--format", "sarif").out)
    location = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "fleet.toml"


def test_a_clean_file_gives_an_empty_report_in_every_format(file: Path) -> None:
    file.write_text(CLEAN)
    outputs = {
        form: fleet("validate", file, "--cpus", 2, "--format", form).out for form in ("concise", "github")
    }
    assert set(outputs.values()) == {""}
    assert json.loads(fleet("validate", file, "--cpus", 2, "--format", "gitlab").out) == []
    assert ET.fromstring(fleet("validate", file, "--cpus", 2, "--format", "junit").out).get("tests") == "1"


def test_a_report_goes_into_the_output_file_and_nowhere_else(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "reports" / "fleet.xml"
    outcome = fleet("validate", file, "--format", "junit", "--output-file", output, "--strict")
    assert (outcome.code, outcome.out, outcome.err) == (1, "", "")
    assert ET.parse(output).getroot().get("failures") == "1"
    outcome = fleet("validate", file, "--output-file", file / "no" / "way")
    assert outcome.code == 2
    assert "can't write" in outcome.err


def test_standard_input_has_the_name_it_is_given(tmp_path: Path) -> None:
    outcome = fleet(
        "validate", "-", "--stdin-filename", "deploy/fleet.toml", "--format", "concise", stdin=WARNED
    )
    assert outcome.out.startswith("deploy/fleet.toml:11:1: warning[FLT305]")
    outcome = fleet("validate", tmp_path, "--stdin-filename", "x")
    assert outcome.code == 2
    assert "goes with -" in outcome.err


def test_findings_that_lint_or_a_comment_ignores_are_not_reported(file: Path) -> None:
    ignored = WARNED + '[lint]\nignore = ["FLT305"]\n'
    file.write_text(ignored)
    assert "nothing wrong" in fleet("validate", file, "--cpus", 2).out
    file.write_text(
        WARNED.replace("[workers.images]", "[workers.images]  # fleet: ignore[FLT305] the host decides")
    )
    assert "nothing wrong" in fleet("validate", file, "--cpus", 2).out
    file.write_text(WARNED + '[lint]\nseverity = { FLT305 = "error" }\n')
    assert fleet("validate", file, "--cpus", 2).code == 1
    file.write_text(WARNED + '[lint]\nseverity = { FLT305 = "info" }\n')
    assert fleet("validate", file, "--cpus", 2, "--strict").code == 0


def test_several_files_are_checked_in_one_run_as_pre_commit_names_them(file: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.toml"
    clean.write_text(CLEAN)
    outcome = fleet("validate", "--cpus", 2, "--format", "concise", clean, file)
    assert outcome.code == 0
    assert outcome.out.startswith(f"{file}:11:1: warning[FLT305]")
    assert fleet("validate", "--cpus", 2, "--strict", file, clean).code == 1
    text = fleet("validate", "--cpus", 2, clean, file).out
    assert text.startswith(f"{clean}: nothing wrong with")
    assert "\n\nwarning[FLT305]: " in text
    for arguments in (["--json", clean, file], ["-", file]):
        outcome = fleet("validate", *arguments)
        assert (outcome.code, outcome.out) == (2, "")


def test_the_hook_for_pre_commit_is_this_command() -> None:
    lines = [line.strip() for line in (ROOT / ".pre-commit-hooks.yaml").read_text().splitlines()]
    entries = [line.removeprefix("entry: ") for line in lines if line.startswith("entry: ")]
    assert entries == ["fleet validate", "fleet validate --fix"]
    for entry in entries:
        assert fleet(*entry.split()[1:], "--help").code == 0
