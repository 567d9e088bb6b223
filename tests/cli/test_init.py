from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tests.cli.invoke import fleet


def test_what_it_writes_is_clean_as_it_is(tmp_path: Path) -> None:
    outcome = fleet("init", tmp_path / "new")
    assert outcome.code == 0
    assert "fleet up" in outcome.out
    assert fleet("validate", tmp_path / "new/fleet.toml", "--strict").code == 0
    text = (tmp_path / "new/fleet.toml").read_text()
    assert text.startswith("#:schema ./fleet.schema.json\n")
    assert "@" not in text.replace("@task", "")
    assert json.loads((tmp_path / "new/fleet.schema.json").read_text()) == json.loads(fleet("schema").out)


def test_routes_of_a_new_project_name_its_tasks(tmp_path: Path) -> None:
    fleet("init", tmp_path)
    tree = ast.parse((tmp_path / "tasks.py").read_text())
    tasks = {f"tasks.{node.name}" for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert "tasks.count_primes" in tasks
    assert 'task = "tasks.count_primes"' in (tmp_path / "fleet.toml").read_text()


def test_a_new_project_uses_threads_where_gevent_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.cli.init.find_spec", lambda _name: None)
    fleet("init", tmp_path)
    assert 'pool = "threads"' in (tmp_path / "fleet.toml").read_text()
    assert fleet("validate", tmp_path / "fleet.toml", "--strict").code == 0


@pytest.mark.parametrize("name", ["fleet.toml", "tasks.py", "fleet.schema.json"])
def test_init_overwrites_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    outcome = fleet("init", tmp_path)
    assert outcome.code == 1
    assert name in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_init_into_a_folder_that_can_not_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = fleet("init", tmp_path / "file" / "below")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: can't write into")
