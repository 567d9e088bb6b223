"""A pasted draft is read as the file would be, and tells nobody what only the file may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.controller.api.preview import Known, of_text
from fleet.controller.declared.pasted import read_pasted

FILE = """\
[fleet]
name = "shop"
app = "work"
env_file = "some.env"

[broker]
url = "${BROKER:-redis://127.0.0.1:6379/0}"

[queues.q]

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "solo"

[env.prod.workers.w]
replicas = 3
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SECRET_OF_HOST", "hunter2")
    (tmp_path / "some.env").write_text("A=1\n")
    (tmp_path / "other.env").write_text("PASSWORD=hunter2\n")
    path = tmp_path / "fleet.toml"
    path.write_text(FILE)
    return path


def test_a_draft_like_the_file_is_accepted_with_its_warnings(file: Path) -> None:
    pasted = read_pasted(FILE, file, None)
    assert pasted.accepted is not None
    assert {each["severity"] for each in pasted.diagnostics} <= {"warning", "info"}
    assert pasted.diagnostics, "advice is shown, too"


def test_a_draft_is_read_in_the_environment_of_the_fleet(file: Path) -> None:
    accepted = read_pasted(FILE, file, "prod").accepted
    assert accepted is not None
    assert accepted.groups[0].replicas == 3
    [said] = read_pasted(FILE.partition("[env.prod")[0], file, "prod").diagnostics
    assert "has no [env.prod]" in said["message"]


@pytest.mark.parametrize(
    ("old", "new", "key", "line"),
    [
        ('"shop"', '"${SECRET_OF_HOST}"', "fleet.name", 2),
        ('["q"]', '["q", "$SECRET_OF_HOST"]', "workers.w.queues", 16),
        ('"some.env"', '"other.env"', "fleet.env_file", 4),
        ('url = "${BROKER:-redis://127.0.0.1:6379/0}"', 'url_file = "/etc/passwd"', "broker.url_file", 7),
        ("[env.prod.workers.w]", '[env.prod.fleet]\nenv_file = "other.env"\n[env.prod.workers.w]', "", 20),
        ('"solo"', '"solo"\nenv = { A = "${BROKER:-redis://127.0.0.1:6379/0}" }', "workers.w.env.A", 18),
    ],
)
def test_a_draft_takes_no_variable_and_no_file_that_the_file_does_not_take_there(
    file: Path, old: str, new: str, key: str, line: int
) -> None:
    pasted = read_pasted(FILE.replace(old, new), file, None)
    assert pasted.accepted is None
    [said] = pasted.diagnostics
    assert said["message"].startswith(f"{key or 'env.prod.fleet.env_file'}: a draft can't take a ")
    assert said["line"] == line
    assert "hunter2" not in str(pasted.diagnostics)


@pytest.mark.parametrize(
    "text", ["[fleet", "a = 1\n" * 2, "\ud800", "x = " + "[" * 5000, "", "[workers.w]\n"]
)
def test_a_draft_that_is_wrong_is_told_so(file: Path, text: str) -> None:
    pasted = read_pasted(text, file, None)
    assert pasted.accepted is None
    assert pasted.diagnostics
    assert "bug in fleet" not in str(pasted.diagnostics)


def test_a_file_that_is_no_toml_any_more_allows_a_draft_nothing(file: Path) -> None:
    file.write_text("[fleet")
    assert len(read_pasted(FILE, file, None).diagnostics) == 2, "the variable of the broker, and the file"


def test_the_plan_of_a_draft_has_its_findings_and_the_lines_of_the_draft(file: Path) -> None:
    known = Known(read_pasted(FILE, file, None).accepted)
    found = of_text("\n" + FILE.replace('"solo"', '"solo"\nreplicas = 2'), file, None, known)
    [group] = found["groups"]
    assert (group["name"], group["lines"][0]) == ("w", 16)
    assert [(each["key"], each["old"], each["new"]) for each in group["reasons"]] == [
        ("workers.w.replicas", 1, 2)
    ]
    assert found["diagnostics"]
    assert "groups" not in of_text("[fleet", file, None, known)
