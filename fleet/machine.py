"""The machine and what it grants: CPUs, memory, open files; each number with the words that say where it came from.

CPU affinity, and the smallest quota over our own cgroup and its ancestors (v1 and v2), not what the host
has. Imports nothing of fleet.
"""

from __future__ import annotations

import math
import os
import resource
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

THIS_MACHINE = "this machine"
# Of pools and brokers.
OPTIONAL_MODULES = (
    *("gevent", "eventlet", "redis", "packaging"),
    *("boto3", "pymongo", "kazoo", "confluent_kafka", "consul", "etcd", "sqlalchemy", "Pyro4", "qpid"),
)


class Amount(NamedTuple):
    """A number and its origin: "this machine", "cgroup quota 2.5", "[machine]", "--cpus".

    `stated`: somebody said so, it was not measured here.
    """

    value: int
    origin: str = THIS_MACHINE
    stated: bool = False


class Machine(NamedTuple):
    """CPUs and open files as counts, memory in bytes. `visible_cpus`: what quota-blind libraries see.

    `modules`: which of OPTIONAL_MODULES can be imported here. `has_gil`: False on a free-threaded Python, whatever this
    process has imported: a library that needs the lock switches it on, for its own process.
    """

    cpus: Amount
    memory: Amount
    nofile: Amount
    visible_cpus: int
    modules: frozenset[str] = frozenset()
    has_gil: bool = True

    def stated(
        self, *, cpus: int | None, memory: int | None, nofile: int | None, origin: tuple[str, str, str]
    ) -> Machine:
        """Numbers that somebody states replace measured ones; what is already stated stays.

        `origin` says where each of the three comes from.
        """
        return self._replace(
            cpus=_state(self.cpus, cpus, origin[0]),
            visible_cpus=_state(Amount(self.visible_cpus, stated=self.cpus.stated), cpus, "").value,
            memory=_state(self.memory, memory, origin[1]),
            nofile=_state(self.nofile, nofile, origin[2]),
        )


def _state(present: Amount, value: int | None, origin: str) -> Amount:
    return present if value is None or present.stated else Amount(value, origin, stated=True)


def this_machine(root: Path = Path("/")) -> Machine:
    """Ask the kernel. `root` holds proc/ and sys/, so that tests can show other machines."""
    visible = _visible_cpus()
    return Machine(
        cpus=_smaller(Amount(visible), _cpu_quota(root)),
        memory=_smaller(Amount(_physical_memory(root)), _memory_limit(root)),
        nofile=Amount(_open_files()),
        visible_cpus=visible,
        modules=frozenset(name for name in OPTIONAL_MODULES if find_spec(name)),
        has_gil="t" not in sys.abiflags,
    )


def _visible_cpus() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _open_files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def _physical_memory(root: Path) -> int:
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _smaller(found: Amount, limit: Amount | None) -> Amount:
    return limit if limit and limit.value < found.value else found


def _cpu_quota(root: Path) -> Amount | None:
    """The tightest quota, rounded up: half a CPU still runs one process."""
    quotas = [quota for folder in _cgroup_folders(root, "cpu") if (quota := _quota_of(folder))]
    if not quotas:
        return None
    return Amount(max(1, math.ceil(min(quotas))), f"cgroup quota {min(quotas):g}")


def _quota_of(folder: Path) -> float | None:
    v2 = _read(folder / "cpu.max").split()
    quota, period = v2 if len(v2) == 2 else (_read(folder / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
    try:
        return int(quota) / int(period) if int(quota) > 0 else None
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return None


def _memory_limit(root: Path) -> Amount | None:
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    texts = [_read(folder / name).strip() for folder in _cgroup_folders(root, "memory") for name in names]
    limits = [int(text) for text in texts if text.isdigit()]
    return Amount(min(limits), "cgroup limit") if limits else None


def _cgroup_folders(root: Path, controller: str) -> Iterator[Path]:
    """Our cgroup's folder and those above it, in every hierarchy that may limit `controller`."""
    mounts = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base = mounts / "unified" if (mounts / "unified").is_dir() else mounts
        elif controller in controllers.split(","):
            base = next((mounts / n for n in (controllers, controller) if (mounts / n).is_dir()), mounts)
        else:
            continue
        # Inside a container the path may be the host's: then only the mount's own root exists.
        own = base / path.lstrip("/")
        for folder in (own, *own.parents):
            yield folder
            if folder == base:
                break


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
