"""Other machines, as their /proc and /sys show them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet.machine import Amount, this_machine

GIB = 2**30


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))


def a_root(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": f"MemTotal: {16 * GIB // 1024} kB\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_without_cgroups_the_affinity_counts(tmp_path: Path) -> None:
    machine = this_machine(a_root(tmp_path, {}))
    assert machine.cpus == Amount(8, "this machine")
    assert machine.memory == Amount(16 * GIB, "this machine")
    assert machine.nofile.value > 0


def test_v2_takes_the_tightest_quota_of_all_ancestors(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/cpu.max": "250000 100000\n",
        "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
        "sys/fs/cgroup/a/b/memory.max": "max\n",
        "sys/fs/cgroup/a/b/memory.high": f"{2 * GIB}\n",
        "sys/fs/cgroup/a/memory.max": f"{4 * GIB}\n",
    }
    machine = this_machine(a_root(tmp_path, files))
    assert machine.cpus == Amount(3, "cgroup quota 2.5")
    assert machine.memory == Amount(2 * GIB, "cgroup limit")
    assert machine.visible_cpus == 8


def test_limits_of_cgroups_v1_count(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n1:name=systemd:/y\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "150000\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": f"{GIB}\n",
    }
    machine = this_machine(a_root(tmp_path, files))
    assert machine.cpus == Amount(2, "cgroup quota 1.5")
    assert machine.memory == Amount(GIB, "cgroup limit")


def test_in_a_container_only_the_mounts_root_exists(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/host/only\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}
    assert this_machine(a_root(tmp_path, files)).cpus == Amount(1, "cgroup quota 0.5")


def test_a_quota_above_the_affinity_says_nothing(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "1600000 100000\n"}
    assert this_machine(a_root(tmp_path, files)).cpus == Amount(8, "this machine")


@pytest.mark.parametrize("content", ["", "nonsense", "1 0", "max", "-1 100000"])
def test_a_senseless_quota_is_none(tmp_path: Path, content: str) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": content}
    assert this_machine(a_root(tmp_path, files)).cpus.value == 8


def test_an_amount_that_was_stated_first_stays() -> None:
    machine = this_machine().stated(cpus=4, memory=None, nofile=None, origin=("--cpus",) * 3)
    machine = machine.stated(cpus=16, memory=GIB, nofile=100, origin=("[machine]",) * 3)
    assert machine.cpus == Amount(4, "--cpus", stated=True)
    assert machine.visible_cpus == 4
    assert machine.memory == Amount(GIB, "[machine]", stated=True)
    assert machine.nofile == Amount(100, "[machine]", stated=True)
