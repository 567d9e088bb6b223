"""Save the file, and the fleet follows: only what changed restarts, and a broken file changes nothing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.process.following import FILE, Following
from tests.support import eventually

pytestmark = pytest.mark.process

BOTH = ("http/0", "http/1", "lone/0")


@pytest.fixture
def fleet(short_folder: Path) -> Iterator[Following]:
    with Following(short_folder) as running:
        yield running


def in_place(file: Path, text: str) -> None:
    file.write_text(text)


def by_rename(file: Path, text: str) -> None:
    """As most editors do."""
    new = file.with_name(".fleet.toml.new")
    new.write_text(text)
    new.rename(file)


@pytest.mark.parametrize("save", [in_place, by_rename])
def test_a_replica_more_or_less_leaves_the_others_alone(
    fleet: Following, save: Callable[[Path, str], None]
) -> None:
    before = fleet.settled(*BOTH)
    save(fleet.file, FILE.replace("replicas = 2", "replicas = 3"))
    more = fleet.settled(*BOTH, "http/2")
    assert {name: more[name] for name in BOTH} == before
    save(fleet.file, FILE.replace("replicas = 2", "replicas = 1"))
    less = fleet.settled("http/0", "lone/0")
    assert less == {name: before[name] for name in less}


def test_a_symlink_swap_is_seen(short_folder: Path) -> None:
    """A ConfigMap: fleet.toml → ..data/fleet.toml, ..data → a folder; ..data is replaced by a rename."""
    fleet = Following(short_folder)
    fleet.file.unlink()
    for version, replicas in (("v1", 2), ("v2", 1), ("v3", 3)):
        (short_folder / version).mkdir()
        text = FILE.replace("replicas = 2", f"replicas = {replicas}")
        (short_folder / version / "fleet.toml").write_text(text)
    (short_folder / "..data").symlink_to("v1")
    fleet.file.symlink_to("..data/fleet.toml")
    with fleet:
        before = fleet.settled(*BOTH)
        for version, names in (("v2", BOTH[1:2]), ("v3", ("http/2",))):
            (short_folder / "..new").symlink_to(version)
            (short_folder / "..new").rename(short_folder / "..data")
            expected = {"http/0", "lone/0"} | ({"http/1", *names} if version == "v3" else set())
            after = fleet.settled(*expected)
            assert after["http/0"] == before["http/0"]
            assert after["lone/0"] == before["lone/0"]


def test_comments_and_order_do_nothing(fleet: Following) -> None:
    fleet.command("reload")  # waits until all have been ready for min_ready, too
    before = fleet.settled(*BOTH)
    fleet.command("reload")  # waits until the start has settled
    first, second = FILE.split("[workers.lone]")
    lone, rest = second.split("[rollout]")
    queues, http = first.split("[workers.http]")
    swapped = f"# moved\n{queues}[workers.lone]{lone}[workers.http]{http}[rollout]{rest}"
    fleet.file.write_text(swapped)
    done = fleet.command("reload")
    assert "nothing to do" in done.stdout
    assert fleet.settled(*BOTH) == before


def test_a_changed_group_gets_new_workers_before_the_old_ones_go(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    counts = []
    fleet.edit("concurrency = 3", 'concurrency = 3\nenv = { VERSION = "2" }')

    def replaced() -> bool:
        group = fleet.group("http")
        counts.append(group["replicas"]["ready"])
        pids = {worker["pid"] for worker in group["workers"]}
        return not pids & {before["http/0"], before["http/1"]} and len(pids) == 2

    eventually(replaced, within=20)
    assert min(counts) == 2, "never fewer workers at work than declared"
    after = fleet.settled(*BOTH)
    assert after["lone/0"] == before["lone/0"]
    fleet.says("rollout of http finished")


def test_settings_that_a_worker_can_take_on_replace_nobody(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    fleet.edit("concurrency = 3", 'concurrency = 5\ngrace_period = "9s"\ntime_limit = "1m"')
    fleet.command("reload")  # there may be nothing left to do: the save has been noticed as well
    assert [worker["concurrency"] for worker in fleet.group("http")["workers"]] == [5, 5]
    assert fleet.settled(*BOTH) == before
    os.kill(before["http/0"], signal.SIGKILL)
    eventually(lambda: fleet.by_pid().get("http/0", before["http/0"]) != before["http/0"])
    after = fleet.settled(*BOTH)
    assert [worker["concurrency"] for worker in fleet.group("http")["workers"]] == [5, 5]
    assert {name: after[name] for name in BOTH[1:]} == {name: before[name] for name in BOTH[1:]}
    assert "configured" not in fleet.log("http.0.1").split("ready")[-1], "it was started with them"


def test_an_invalid_file_changes_nothing_until_it_is_mended(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    fleet.edit('pool = "threads"', 'pool = "treads"')
    rejected = eventually(lambda: fleet.status()["config"]["rejected"])
    assert fleet.status()["state"] == "degraded"
    (found,) = rejected["diagnostics"]
    assert (found["code"], found["line"], found["column"]) == ("FLT006", 20, 8)
    fleet.says("fleet.toml:20:8: FLT006")
    assert fleet.settled(*BOTH) == before

    done = fleet.command("reload", check=False)
    assert done.returncode == 78
    assert "FLT006" in done.stdout

    fleet.file.write_text(FILE)
    eventually(lambda: fleet.status()["state"] == "healthy")
    assert fleet.status()["config"]["rejected"] is None
    assert fleet.settled(*BOTH) == before


def test_a_plan_says_what_an_edit_then_does(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    assert fleet.command("plan", "--detailed-exitcode").returncode == 0
    edited = FILE.replace("concurrency = 3", 'concurrency = 3\nenv = { PASSWORD = "hunter2" }')
    edited = edited.replace("[workers.lone]", "[workers.second]")
    draft = fleet.folder / "draft.toml"
    draft.write_text(edited)
    done = fleet.command("plan", "-f", "draft.toml", "--detailed-exitcode", check=False)
    assert done.returncode == 2
    for text in ("± http/0", "± http/1", "+ second/0", "- lone/0", "line 22: replaces workers"):
        assert text in done.stdout
    assert "hunter2" not in done.stdout
    assert fleet.settled(*BOTH) == before, "a plan does nothing"
    found = json.loads(fleet.command("plan", "-f", "draft.toml", "--json").stdout)
    draft.rename(fleet.file)
    after = fleet.settled("http/0", "http/1", "second/0")
    assert not set(after.values()) & set(before.values())
    assert {step["symbol"] for each in found["groups"] for step in each["actions"]} == {"±", "+", "-"}
    fleet.end()
    stopped = fleet.command("plan", "--detailed-exitcode", check=False)
    assert stopped.returncode == 2
    assert "not running" in stopped.stdout
    assert "+ http/1" in stopped.stdout
    fleet.file.write_text("[workers.http\n")
    assert fleet.command("plan", check=False).returncode == 78


def test_a_new_and_a_removed_group(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    fleet.file.write_text(FILE.replace("[workers.lone]", "[workers.second]"))
    after = fleet.settled("http/0", "http/1", "second/0")
    assert after["http/0"] == before["http/0"]


def test_a_route_restarts_nobody(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    fleet.edit('task = "other.*"', 'task = "another.*"')
    eventually(lambda: "another.*" in fleet.state.routing_file.read_text())
    assert fleet.settled(*BOTH) == before


def test_a_key_that_needs_a_restart_is_refused_and_planned_so(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    fleet.file.write_text(FILE.replace('"following"', '"renamed"') + "[dashboard]\n")
    planned = json.loads(fleet.command("plan", "--json").stdout)
    keys = {each["key"]: each["effect"] for each in planned["fleet_changes"]}
    assert keys.pop("fleet.name") == "restart"
    assert "dashboard.listen" in keys
    assert set(keys.values()) == {"live"}
    rejected = eventually(lambda: fleet.status()["config"]["rejected"])
    assert "needs `fleet down` and `fleet up`" in rejected["diagnostics"][0]["message"]
    assert fleet.settled(*BOTH) == before


def test_new_workers_that_cannot_boot_halt_the_rollout_if_it_shall_pause(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    (fleet.folder / "broken.py").write_text("raise RuntimeError('no good')\n")
    fleet.edit("[rollout]", '[rollout]\non_failure = "pause"')
    fleet.edit('app = "work"', 'app = "broken"')
    done = fleet.command("reload", check=False)
    assert done.returncode == 1
    assert "no good" in done.stdout
    old = {
        worker["pid"]
        for group in fleet.status()["groups"]
        for worker in group["workers"]
        if worker["state"] == "ready"
    }
    assert old == set(before.values()), "what works is left alone"
    eventually(lambda: (fleet.status()["rollout"] or {}).get("state") == "halted")
    fleet.edit('app = "broken"', 'app = "work"')
    assert fleet.settled(*BOTH) == before


def test_a_file_written_in_two_halves_is_not_called_wrong(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    text = FILE.replace("replicas = 2", "replicas = 1")
    with fleet.file.open("w") as file:
        file.write(text[:100])
        file.flush()
        file.write(text[100:])
    after = fleet.settled("http/0", "lone/0")
    assert after["http/0"] == before["http/0"]
    assert "not accepted" not in fleet.events()
