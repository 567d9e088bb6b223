"""One supervisor per state directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet.statedir import StateDir
from fleet.supervisor import lock


@pytest.fixture
def state(state_dir: Path) -> StateDir:
    state = StateDir(state_dir)
    state.create()
    return state


def test_the_second_taker_learns_who_holds_it(state: StateDir) -> None:
    fd = lock.take(state)
    lock.write_pid(fd)
    with pytest.raises(lock.AlreadyRunning) as refused:
        lock.take(state)
    assert refused.value.pid == os.getpid()
    assert lock.holder(state) == os.getpid()
    os.close(fd)


def test_a_pid_that_is_left_over_does_not_count(state: StateDir) -> None:
    assert lock.holder(state) is None
    state.lock.write_text("1\n")
    assert lock.holder(state) is None
    os.close(lock.take(state))


def test_rubbish_in_the_file_is_no_pid(state: StateDir) -> None:
    fd = lock.take(state)
    state.lock.write_text("rubbish")
    assert lock.holder(state) == 0
    os.close(fd)
