"""FLT605 on `state_dir`: a folder that is there already and that others may write into is not taken over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.invoke import fleet

FILE = """
[fleet]
state_dir = "{state_dir}"
[queues.q]
workload = "io"
[[routes]]
task = "*"
queue = "q"
[workers.w]
queues = ["q"]
pool = "threads"
concurrency = 2
"""


def found(folder: Path, state_dir: str) -> str:
    (folder / "fleet.toml").write_text(FILE.format(state_dir=state_dir))
    return fleet("validate", folder / "fleet.toml", "--format", "concise").out


@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o775])
def test_a_folder_that_others_may_write_into(tmp_path: Path, mode: int) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)
    assert f"others may write into {state}" in found(tmp_path, str(state))
    assert "FLT605" in found(tmp_path, "state"), "also inside the fleet's own folder"


@pytest.mark.parametrize("state_dir", ["/tmp", "/var/tmp/", "/dev/shm"])
def test_a_temporary_folder_itself_is_found_as_state_dir(tmp_path: Path, state_dir: str) -> None:
    assert f"others may write into {state_dir.rstrip('/')};" in found(tmp_path, state_dir)


def test_one_that_only_its_owner_writes_into_or_that_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir(mode=0o755)
    (tmp_path / "given").chmod(0o755)
    assert "FLT605" not in found(tmp_path, "given") + found(tmp_path, "new")
