"""`fleet up` before anything starts, and how `--wait` ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.fleets import Project

pytestmark = pytest.mark.process


@pytest.fixture
def project(short_folder: Path) -> Iterator[Project]:
    project = Project(short_folder)
    yield project
    project.end()


def edit(project: Project, old: str, new: str) -> None:
    path = project.folder / "fleet.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("line", "content", "code"),
    [
        ('env_file = "missing.env"', None, "FLT708"),
        ('env_file = "a.env"', b"A = 'x\n", "FLT708"),
        ('env_file = "a.env"', b"A=a\x00b\n", "FLT708"),
        ('env_file = "a.env"', b"A=\xff\n", "FLT708"),
        ('env_file = "."', None, "FLT708"),
        ('app = "shop/tasks.py"', None, "FLT710"),
    ],
)
def test_what_can_never_start_starts_nothing(
    project: Project, line: str, content: bytes | None, code: str
) -> None:
    path = project.folder / "fleet.toml"
    key = line.partition(" ")[0]
    kept = [each for each in path.read_text().splitlines() if each.partition(" ")[0] != key]
    kept.insert(kept.index("[fleet]") + 1, line)
    path.write_text("\n".join(kept) + "\n")
    if content is not None:
        (project.folder / "a.env").write_bytes(content)
    up = project.run("up", "--detach")
    assert up.returncode == 78, up.stderr
    assert code in up.stderr
    assert "Traceback" not in up.stderr
    assert not project.state.root.exists()


def test_waiting_ends_with_the_reason_of_each_worker_and_each_is_said_once(project: Project) -> None:
    edit(project, "sqlite:///.fleet/broker.db", "redis://127.0.0.1:1/0")
    (project.folder / "shop_tasks.py").write_text("import time\nwhile True: time.sleep(1)\n")
    up = project.run("up", "--detach", "--wait", "--timeout", "20s")
    assert up.returncode == 1
    assert "not ready after 20 s" in up.stderr
    assert up.stderr.count("the broker can't be reached") == 1
    assert "w/0 is starting" in up.stderr
    assert "Traceback" not in up.stderr
    project.run("down", "--now")


def test_a_timeout_is_a_time_and_goes_with_wait(project: Project) -> None:
    for arguments in (("--timeout", "3s"), ("--wait", "--timeout", "soon"), ("--wait", "--timeout", "-1")):
        up = project.run("up", "--detach", *arguments)
        assert up.returncode == 2, arguments
        assert "--timeout" in up.stderr
    assert not project.state.root.exists()
