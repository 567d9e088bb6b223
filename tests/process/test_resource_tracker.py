"""Python's resource tracker, as large as a pool process, is there when a task needs it and only then."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.process.pooling import Bench, bench, delivery
from tests.support import eventually

pytestmark = pytest.mark.process

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def pool(short_folder: Path) -> Iterator[Bench]:
    with bench(short_folder) as made:
        yield made


def trackers() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if "resource_tracker" in " ".join(process.cmdline())
    ]


def test_a_prefork_pool_has_no_resource_tracker(pool: Bench) -> None:
    pool.submit(delivery("note", "plain"), delivery("note", "plain"))
    pool.until(lambda: len(pool.done) == 2, "both have run")
    assert len(pool.pool.children) == 2
    assert trackers() == []


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="shared memory can be seen on Linux only")
def test_a_task_that_needs_one_has_it_and_others_have_not(pool: Bench) -> None:
    pool.submit(delivery("share", "brief", 0.0), delivery("note", "other"))
    pool.until(lambda: len(pool.done) == 2, "both have run")
    assert [outcome.kind for _, outcome in pool.done] == ["succeeded", "succeeded"]
    [name] = pool.wrote("brief", "shared")
    assert not (SHARED_MEMORY / name).exists()
    [tracker] = trackers()
    assert tracker.ppid() in pool.pool.children

    # It does what it is for: the memory of a process that was killed is given back.
    pool.submit(delivery("share", "killed", 60.0), delivery("share", "killed", 60.0))
    pool.until(lambda: len(pool.wrote("killed", "shared")) == 2, "both hold some")
    left = [SHARED_MEMORY / name for name in pool.wrote("killed", "shared")]
    assert all(file.exists() for file in left)
    for pid in pool.pool.children:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(file.exists() for file in left), message="it is gone")
