"""The revision of a fleet does not depend on where its file lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.load import load
from fleet.config.model import Fleet
from fleet.config.resolve_groups import fleet_state, worker_spec
from fleet.portable import portable_worker

FILE = """\
[fleet]
name = "shop"
app = "shop.tasks"
pythonpath = [".", "lib"]

[broker]
url = "{url}"

[queues.q]
workload = "io"

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "threads"
concurrency = 4
env = {{ HOME_OF_DATA = "/srv/data" }}
"""


def made(folder: Path, url: str) -> Path:
    folder.mkdir()
    (folder / "fleet.toml").write_text(FILE.format(url=url))
    return folder / "fleet.toml"


def fleet_at(path: Path) -> Fleet:
    fleet = load(path, environ={}).fleet
    assert fleet is not None
    return fleet


@pytest.mark.parametrize("url", ["sqlite:///.fleet/broker.db", "redis://host/0", "amqp://host//"])
def test_the_revision_of_one_file_in_two_folders_is_the_same(tmp_path: Path, url: str) -> None:
    first, second = (made(tmp_path / name, url) for name in ("a", "b"))
    revisions = {fleet_state(fleet_at(path)).revision for path in (first, second)}
    assert len(revisions) == 1


def test_the_revision_changes_with_what_the_file_says(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a", "redis://host/0"), made(tmp_path / "b", "redis://host/1")
    assert fleet_state(fleet_at(first)).revision != fleet_state(fleet_at(second)).revision


def test_paths_outside_of_the_folder_stay_as_they_are(tmp_path: Path) -> None:
    path = made(tmp_path / "a", "sqlite:////var/lib/broker.db")
    portable = portable_worker(worker_spec(fleet_at(path), "w"), str(tmp_path / "a"))
    assert portable.broker.url == "sqlite:////var/lib/broker.db"
    assert portable.pythonpath == ("./.", "./lib")
