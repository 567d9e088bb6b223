"""`fleet up` and `fleet down` as a person meets them."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.supervisor import lock
from tests.cli.fleets import Project, foreground
from tests.support import alive, eventually

pytestmark = pytest.mark.process


@pytest.fixture
def project(short_folder: Path) -> Iterator[Project]:
    project = Project(short_folder)
    yield project
    project.end()


@pytest.fixture
def out(short_folder: Path) -> Path:
    return short_folder / "out"


@pytest.fixture
def err(short_folder: Path) -> Path:
    return short_folder / "err"


def ctrl_c(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def test_a_wrong_file_starts_nothing(project: Project) -> None:
    with (project.folder / "fleet.toml").open("a") as file:
        file.write("replica = 2\n")
    refused = project.run("up")
    assert refused.returncode == 78
    assert refused.stdout == ""
    assert "replica" in refused.stderr
    assert "nothing was started" in refused.stderr
    assert not project.state.root.exists()


def test_a_state_dir_that_everybody_may_write_into_is_left_as_it_is(project: Project) -> None:
    shared = project.folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    file = project.folder / "fleet.toml"
    file.write_text(file.read_text().replace("[fleet]\n", f'[fleet]\nstate_dir = "{shared}"\n', 1))
    refused = project.run("up", "--detach")
    assert refused.returncode == 78
    assert f"others may write into {shared}" in " ".join(refused.stderr.split())
    assert shared.stat().st_mode & 0o7777 == 0o1777
    assert not list(shared.iterdir())


@pytest.mark.parametrize("state_dir", ["in_the_way", "in_the_way/below", "/proc/fleet", "nowhere"])
def test_a_state_dir_that_no_folder_can_be_is_a_mistake_of_the_file(project: Project, state_dir: str) -> None:
    (project.folder / "in_the_way").touch()
    (project.folder / "nowhere").symlink_to("missing")
    file = project.folder / "fleet.toml"
    file.write_text(file.read_text().replace("[fleet]\n", f'[fleet]\nstate_dir = "{state_dir}"\n', 1))
    for arguments in ((), ("--detach",)):
        refused = project.run("up", *arguments)
        assert refused.returncode == 78
        assert "error[FLT723]: `state_dir` can't be made" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_state_dir_that_this_user_may_not_use_is_one_too(project: Project) -> None:
    state = project.folder / "locked" / "state"
    state.mkdir(parents=True)
    if os.getuid() == 0:  # whom no mode keeps out
        os.chown(state, 65534, 65534)
    else:
        state.rmdir()
        state.parent.chmod(0o555)
    file = project.folder / "fleet.toml"
    file.write_text(file.read_text().replace("[fleet]\n", f'[fleet]\nstate_dir = "{state}"\n', 1))
    refused = project.run("up", "--detach")
    assert refused.returncode == 78
    assert f"can't use the state directory {state}: " in refused.stderr
    assert "belongs to uid 65534" in refused.stderr or "[fleet] state_dir names another" in refused.stderr


def test_no_file_is_a_usage_error(project: Project) -> None:
    (project.folder / "fleet.toml").unlink()
    refused = project.run("up", "-f", "fleet.toml")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_the_foreground_from_banner_to_summary(project: Project, out: Path, err: Path) -> None:
    with foreground(project, out, err) as up:
        eventually(lambda: re.search(r"^w/0 +\| imported$", out.read_text(), re.M))
        assert re.search(r"^controller \| .*accepted", out.read_text(), re.M)
        banner = err.read_text()
        assert banner.startswith(f"shop  {project.folder}/fleet.toml\n")
        assert "1 worker, solo, queues q" in banner
        (how,) = [line for line in banner.splitlines() if "Ctrl-C" in line]
        assert len(how) <= 80
        assert "\x1b" not in banner + out.read_text()
        workers = project.workers()
        assert up.pid == project.snapshot().pid == lock.holder(project.state)

        ctrl_c(up)
        assert up.wait(30) == 0
        told = err.read_text()[len(banner) :].splitlines()
        assert told[0] == "draining: tasks in flight are being finished (Ctrl-C again to stop at once)"
        assert re.fullmatch(
            r"shop stopped after .* s; all work in flight was finished or given back", told[-1]
        )
        assert not any(alive(worker.pid) for worker in workers)


def test_a_broker_password_is_not_shown(short_folder: Path, out: Path, err: Path) -> None:
    project = Project(short_folder, url="amqp://me:secret@127.0.0.1:1/")
    with foreground(project, out, err) as up:
        eventually(lambda: "controller" in out.read_text())
        ctrl_c(up)
        assert up.wait(30) == 0
    assert "amqp://me:***@127.0.0.1:1/" in err.read_text()
    assert "secret" not in err.read_text() + out.read_text()
    assert "secret" not in (project.state.logs / "supervisord.log").read_text()


def test_a_second_ctrl_c_ends_at_once(project: Project, out: Path, err: Path) -> None:
    (project.folder / "shop_tasks.py").write_text(
        "import signal, time\n"
        "for s in (signal.SIGTERM, signal.SIGINT): signal.signal(s, signal.SIG_IGN)\n"
        "print('imported', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    with foreground(project, out, err) as up:
        [worker] = project.working()
        ctrl_c(up)
        eventually(lambda: project.snapshot().stopping)
        ctrl_c(up)
        assert up.wait(30) == 0
        assert not alive(worker.pid)
    assert "stopping at once" in err.read_text()
    assert "killed before the end of their work: w/0" in err.read_text()


def test_who_is_hurried_from_elsewhere_says_so(project: Project, out: Path, err: Path) -> None:
    with foreground(project, out, err) as up:
        project.working()
        assert project.run("down", "--now").returncode == 0
        assert up.wait(30) == 0
    assert err.read_text().count("stopping at once") == 1


def test_a_second_fleet_is_refused(project: Project, out: Path, err: Path) -> None:
    with foreground(project, out, err) as up:
        project.working()
        for arguments in ((), ("--detach",)):
            refused = project.run("up", *arguments)
            assert refused.returncode == 73
            assert f"already running, with pid {up.pid}" in refused.stderr


def test_a_terminal_that_blocks_holds_nothing_up(project: Project, err: Path) -> None:
    """Nobody reads the pipe: the console blocks, the supervisor does not, and the end comes all the same."""
    (project.folder / "shop_tasks.py").write_text(
        "for n in range(20000): print('imported', n, flush=False)\n"
    )
    reader, writer = os.pipe()
    with err.open("wb") as stderr:
        up = subprocess.Popen(
            [sys.executable, "-m", "fleet", "up"],
            cwd=project.folder,
            env=project.environment,
            stdout=writer,
            stderr=stderr,
            start_new_session=True,
        )
    os.close(writer)
    try:
        eventually(lambda: "imported 19999" in project.log(), message="the worker's output is taken")
        [worker] = project.workers()
        os.kill(worker.pid, signal.SIGKILL)
        eventually(lambda: [w.pid for w in project.workers() if w.pid != worker.pid])
        up.terminate()
        assert up.wait(30) == 0
    finally:
        up.kill()
        up.wait()
        os.close(reader)


def test_when_the_supervisor_is_killed_the_console_says_so(project: Project, out: Path, err: Path) -> None:
    with foreground(project, out, err) as up:
        project.working()
        project.snapshot()
        os.kill(up.pid, signal.SIGKILL)
        up.wait()
        eventually(lambda: "the supervisor is gone (it was killed)" in err.read_text())
        eventually(lambda: not any(alive(pid) for pid in project.seen), message="all have left by themselves")


def test_a_controller_that_crashes_is_mentioned_and_comes_back(
    project: Project, out: Path, err: Path
) -> None:
    with foreground(project, out, err):
        [worker] = project.working()
        [controller] = [p for p in project.snapshot().programs if p.labels["role"] == "controller"]
        os.kill(controller.pid, signal.SIGKILL)
        eventually(lambda: "the controller crashed and was started again" in err.read_text())
        assert [w.pid for w in project.workers()] == [worker.pid]


def test_up_colours_its_output_on_a_terminal_only(project: Project) -> None:
    """Ctrl-C through the terminal itself, as a person types it."""
    environment = {**project.environment, "TERM": "xterm"}
    environment.pop("NO_COLOR")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.folder)
        os.execve(sys.executable, [sys.executable, "-m", "fleet", "up"], environment)
    seen = b""
    while b"imported" not in seen:
        seen += os.read(terminal, 65536)
    os.write(terminal, b"\x03")
    try:
        while chunk := os.read(terminal, 65536):
            seen += chunk
    except OSError:
        pass  # the other side is closed
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert re.search(rb"\x1b\[\d+mw/0 +\|\x1b\[0m", seen)
    assert b"\x1b[1mshop\x1b[0m" in seen
    assert b"shop stopped after" in seen


def test_a_detached_fleet_stands_alone_and_down_ends_it(project: Project) -> None:
    up = project.run("up", "--detach")
    assert up.returncode == 0, up.stderr
    pid = project.snapshot().pid
    assert f"shop is up, pid {pid}" in up.stderr
    [worker] = project.working()
    assert os.getsid(pid) == pid
    held = {str(Path(f"/proc/{pid}/fd/{fd}").readlink()) for fd in (0, 1, 2)}
    assert held == {"/dev/null", str(project.state.logs / "supervisord.err")}

    down = project.run("down")
    assert (down.returncode, down.stdout) == (0, "")
    assert "stopped" in down.stderr
    assert not alive(worker.pid)
    eventually(lambda: not alive(pid))
    again = project.run("down")
    assert again.returncode == 3
    assert "is not running" in again.stderr


def test_down_now_does_not_wait_for_the_work(project: Project) -> None:
    (project.folder / "shop_tasks.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('imported', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    assert project.run("up", "--detach").returncode == 0
    project.working()
    down = project.run("down", "--now")
    assert down.returncode == 0
    assert "draining w/0" in down.stderr


def test_detached_returns_when_status_can_answer(project: Project) -> None:
    up = project.run("up", "--detach")
    assert up.returncode == 0, up.stderr
    status = json.loads(project.run("status", "--json").stdout)
    assert status["controller"]["pid"]
    assert status["config"]["revision"], "of the controller, and not what the supervisor knows without it"


def test_detached_waits_until_all_are_ready(project: Project) -> None:
    up = project.run("up", "--detach", "--wait")
    assert up.returncode == 0, up.stderr
    assert "shop is ready" in up.stderr
    assert "ready" in project.log()


def test_detached_says_why_nothing_gets_ready(project: Project) -> None:
    (project.folder / "shop_tasks.py").write_text("import no_such_module\n")
    up = project.run("up", "--detach", "--wait")
    assert up.returncode == 1
    assert "can't start" in up.stderr
    assert "no_such_module" in up.stderr


def test_wait_without_detach_is_refused(project: Project) -> None:
    assert project.run("up", "--wait").returncode == 2
