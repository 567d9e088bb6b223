"""Labels of hosts: how they are written, and which groups they let run."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.load import load
from fleet.config.resolve_groups import fleet_state
from fleet.controller.state.effective import effective_state
from fleet.controller.state.revisions import Revisions
from fleet.fleet_state import FleetState
from fleet.host_labels import VARIABLE, read

FILE = """\
[fleet]
name = "shop"
app = "shop"

[queues.q]
workload = "io"

[[routes]]
task = "*"
queue = "q"

[workers.anywhere]
queues = ["q"]
pool = "threads"
concurrency = 2

[workers.special]
queues = ["q"]
pool = "threads"
concurrency = 2
replicas = { min = 1, max = 4 }
on = ["gpu", "ssd"]
"""


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", ()),
        ("gpu", ("gpu",)),
        (" ssd, gpu,", ("gpu", "ssd")),
        ("gpu,gpu", ("gpu",)),
        ("a.b-c_d", ("a.b-c_d",)),
    ],
)
def test_labels_are_a_list_with_commas(text: str, labels: tuple[str, ...]) -> None:
    assert read(text) == labels


@pytest.mark.parametrize("text", ["a b", "-a", "a-", "ä", "a" * 64, "a=b"])
def test_what_no_engine_takes_is_no_label(text: str) -> None:
    with pytest.raises(ValueError, match="is no label"):
        read(text)


def state(folder: Path) -> FleetState:
    (folder / "fleet.toml").write_text(FILE)
    fleet = load(folder / "fleet.toml", environ={}).fleet
    assert fleet is not None
    return fleet_state(fleet)


@pytest.mark.parametrize(
    ("labels", "runs"), [("", False), ("gpu", False), ("gpu,ssd", True), ("gpu,ssd,x", True)]
)
def test_a_group_runs_where_all_its_labels_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str, runs: bool
) -> None:
    monkeypatch.setenv(VARIABLE, labels)
    declared = state(tmp_path)
    effective = effective_state(declared, Revisions(), scaled={"special": (0, 1)})
    assert [len(group.slots) for group in effective.groups] == [1, 2 if runs else 0]


def test_the_revision_is_the_same_on_every_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    first = state(tmp_path)
    monkeypatch.setenv(VARIABLE, "gpu,ssd")
    assert state(tmp_path).revision == first.revision
