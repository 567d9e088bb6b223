"""How it ends: gently, at once, by SIGKILL from outside; and that there is never a second one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.supervisor import lock
from fleet.supervisor.client import SupervisorUnavailable
from tests.process.supervising import SLEEP, Supervised, python, supervised
from tests.support import ROOT, alive, eventually

pytestmark = pytest.mark.process

# Drains until told a second time, as a worker does; says what it sees.
DRAINING = python(
    "import os, signal, sys, time\n"
    "terms = []\n"
    "def term(*_):\n"
    "    terms.append(1); os.write(1, b'term %d\\n' % len(terms))\n"
    "    if len(terms) == 2: os._exit(0)\n"
    "signal.signal(signal.SIGTERM, term)\n"
    "print('on', flush=True)\n"
    "while not os.path.exists(os.environ['DONE']): time.sleep(0.01)\n"
    "print('drained', flush=True)\n"
)


@pytest.fixture
def sup(state_dir: Path) -> Iterator[Supervised]:
    with supervised(state_dir) as supervisor:
        yield supervisor


def _add_draining(sup: Supervised, names: str) -> Path:
    done = sup.state.root / "done"
    for name in names:
        sup.add(name, DRAINING, group=f"g{name}", environment={"DONE": str(done)}, stop_seconds=1000.0)
        sup.prints(name, "on", f"g{name}")
    return done


def test_all_groups_drain_together_and_the_controller_goes_last(sup: Supervised) -> None:
    done = _add_draining(sup, "abc")
    os.kill(sup.pid, signal.SIGTERM)
    for name in "abc":
        sup.prints(name, "term 1", f"g{name}")
    snapshot = sup.snapshot()
    assert snapshot.stopping
    states = {p.name: p.state for p in snapshot.programs}
    assert states == {"controller": "running", "a": "stopping", "b": "stopping", "c": "stopping"}
    done.touch()
    assert sup.ends() == 0
    lines = [line for line in sup.own_log().splitlines() if "stopped: " in line]
    assert "controller" in lines[-1]
    assert "SIGKILL" not in sup.own_log()
    assert not sup.state.supervisor_socket.exists()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_hurries_the_supervisor(sup: Supervised, signum: int) -> None:
    _add_draining(sup, "a")
    os.kill(sup.pid, signum)
    sup.prints("a", "term 1", "ga")
    os.kill(sup.pid, signum)
    assert sup.ends() == 0
    assert sup.log("a", "ga") == "on\nterm 1\nterm 2\n"
    assert "SIGKILL" not in sup.own_log()


def test_who_ignores_even_the_second_signal_is_killed_with_its_children(sup: Supervised) -> None:
    sup.add("0", ("/bin/sh", "-c", "trap '' TERM; sleep 1000 & echo $!; wait"), stop_seconds=1000.0)
    sup.prints("0", "\n")
    child = int(sup.log("0"))
    os.kill(sup.pid, signal.SIGTERM)
    eventually(lambda: sup.snapshot().stopping)
    os.kill(sup.pid, signal.SIGTERM)
    assert sup.ends() == 0
    assert not alive(child)


def test_the_supervisor_drains_and_ends_when_told_by_rpc(sup: Supervised) -> None:
    done = _add_draining(sup, "a")
    sup.client.shutdown()
    sup.prints("a", "term 1", "ga")
    done.touch()
    assert sup.ends() == 0


def test_the_supervisor_ends_at_once_when_told_by_rpc(sup: Supervised) -> None:
    _add_draining(sup, "a")
    sup.client.shutdown(now=True)
    assert sup.ends() == 0
    assert sup.log("a", "ga") == "on\nterm 1\nterm 2\n"


def test_nothing_is_added_and_nothing_comes_back_while_stopping(sup: Supervised) -> None:
    done = _add_draining(sup, "a")
    pid = sup.get("ga:a").pid
    sup.client.shutdown()
    sup.prints("a", "term 1", "ga")
    with pytest.raises(ValueError, match="stopping"):
        sup.client.add(sup.program("late"))
    os.kill(sup.get("fleet:controller").pid, signal.SIGKILL)
    done.touch()
    assert sup.ends() == 0
    assert not alive(pid)


def test_a_program_in_backoff_does_not_delay_the_end(sup: Supervised) -> None:
    sup.client.add(sup.program("0", python("raise SystemExit(3)")))
    sup.until("g:0", lambda p: p.state == "backoff")
    os.kill(sup.pid, signal.SIGTERM)
    assert sup.ends() == 0


def test_hangup_is_passed_to_the_controller_and_restarts_nothing(state_dir: Path) -> None:
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGHUP, lambda *_: print('reload', flush=True))\n"
        "print('on', flush=True)\n"
        "while True: time.sleep(1000)\n"
    )
    with supervised(state_dir, python(code)) as sup:
        pid = sup.add("0").pid
        sup.prints("controller", "on", "fleet")
        os.kill(sup.pid, signal.SIGHUP)
        sup.prints("controller", "reload", "fleet")
        assert sup.get("g:0").pid == pid
        assert sup.get("fleet:controller").restarts == 0


def test_when_the_supervisor_is_killed_children_learn_it_twice_over(sup: Supervised) -> None:
    """By SIGHUP for the direct child, by end of file on stdin for whoever reads it."""
    code = (
        "import os, signal, sys, time\n"
        "out = os.open(os.environ['OUT'], os.O_WRONLY | os.O_CREAT, 0o600)\n"
        "def told(*_): os.write(out, b'sighup\\n'); told.yes = True\n"
        "signal.signal(signal.SIGHUP, told)\n"
        "os.write(out, b'on\\n'); sys.stdin.read(); os.write(out, b'eof\\n')\n"
        "while not hasattr(told, 'yes'): time.sleep(0.01)\n"
    )
    out = sup.state.root / "out"
    program = sup.add("0", python(code), environment={"OUT": str(out)})
    plain = sup.add("1", SLEEP)
    eventually(lambda: out.exists() and "on" in out.read_text())
    os.kill(sup.pid, signal.SIGKILL)
    sup.ends()
    eventually(lambda: not alive(program.pid) and not alive(plain.pid))
    assert sorted(out.read_text().split()) == ["eof", "on", "sighup"]


def test_after_a_killed_supervisor_the_next_one_starts_clean(sup: Supervised) -> None:
    os.kill(sup.pid, signal.SIGKILL)
    sup.ends()
    assert sup.state.supervisor_socket.exists()
    assert lock.holder(sup.state) is None
    with pytest.raises(SupervisorUnavailable):
        sup.client.snapshot()
    sup.start()
    assert sup.add("0").restarts == 0
    assert lock.holder(sup.state) == sup.pid


def test_a_second_supervisor_is_refused_and_names_the_first(sup: Supervised) -> None:
    controller = sup.program("controller", group="fleet").to_json()
    second = subprocess.run(
        [sys.executable, "-m", "fleet.supervisor", str(sup.state.root), controller],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert second.returncode == 73
    assert second.stderr == f"fleet: already running, with pid {sup.pid}\n"
    assert sup.get("fleet:controller").state == "running"


def test_the_lock_is_not_inherited(sup: Supervised) -> None:
    """Else workers that drain after the supervisor's death would keep the next one out."""
    sup.add("0", ("/bin/sh", "-c", "ls -l /proc/$$/fd; echo listed; exec sleep 1000"))
    sup.prints("0", "listed")
    assert "fleet.lock" not in sup.log("0")
    assert "socket:" not in sup.log("0")


def test_the_long_lived_process_is_lean(sup: Supervised) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, fleet.supervisor.engine; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"asyncio", "pydantic", "click", "kombu", "subprocess", "logging"} & set(loaded)
    assert len(list(Path(f"/proc/{sup.pid}/task").iterdir())) == 1
