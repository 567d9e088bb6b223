"""Programs one at a time: added, stopped, removed, brought back; the others never notice."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fleet.launch_specs import Exit
from fleet.supervisor.client import CallRefused
from tests.process.supervising import SLEEP, Supervised, python, supervised
from tests.support import alive, eventually

pytestmark = pytest.mark.process


@pytest.fixture
def sup(state_dir: Path) -> Iterator[Supervised]:
    with supervised(state_dir) as supervisor:
        yield supervisor


def test_a_killed_program_is_replaced_without_waiting_for_any_tick(sup: Supervised) -> None:
    """The main loop sleeps up to 30 s when nothing happens: only the wake-up can explain a new pid before."""
    before = sup.add("0")
    others = {p.name: p.pid for p in sup.snapshot().programs if p.name != "0"}
    os.kill(before.pid, signal.SIGKILL)
    after = sup.running("g:0", other_than=before.pid)
    assert after.restarts == 1
    assert after.last_exit is not None
    assert (after.last_exit.code, after.last_exit.signal) == (None, signal.SIGKILL)
    assert {p.name: p.pid for p in sup.snapshot().programs if p.name != "0"} == others


def test_programs_come_and_go_one_at_a_time(sup: Supervised) -> None:
    pids = {name: sup.add(name, group="http").pid for name in ("0", "1", "2")}
    sup.client.stop("http:1")
    eventually(lambda: sup.find("http:1") is None)
    assert not alive(pids["1"])
    sup.add("3", group="http")
    sup.add("0", group="images")
    assert {name: sup.get(f"http:{name}").pid for name in ("0", "2")} == {
        name: pids[name] for name in ("0", "2")
    }


def test_adding_twice_changes_nothing(sup: Supervised) -> None:
    first = sup.add("0", labels={"revision": "a"})
    second = sup.add("0", python("pass"), labels={"revision": "b"})
    assert (second.pid, second.labels) == (first.pid, {"revision": "a"})


def test_labels_are_kept_and_given_back(sup: Supervised) -> None:
    labels = {"role": "worker", "replica": 3, "nested": {"ü": None}, "big": 2**40}
    assert sup.add("0", labels=labels).labels == labels


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a/b", "a\nb", "..", "a\x00b", "a\x1bb"])
def test_a_name_that_would_confuse_others_is_refused(sup: Supervised, name: str) -> None:
    for program in (sup.program(name), sup.program("0", group=name)):
        with pytest.raises(CallRefused, match="expected no space"):
            sup.client.add(program)
    assert [p.name for p in sup.snapshot().programs] == ["controller"]


def test_other_impossible_programs_are_refused_with_the_reason(sup: Supervised) -> None:
    for program, reason in (
        (sup.program("0", ("sleep", "1")), "absolute path"),
        (sup.program("0", ()), "absolute path"),
        (sup.program("0", directory="here"), "directory"),
        (sup.program("0", user="nobody-of-that-name"), "no such user"),
        (sup.program("0", stop_seconds=-1.0), "stop_seconds"),
    ):
        with pytest.raises(CallRefused, match=reason):
            sup.client.add(program)


def test_a_command_that_cannot_be_executed_backs_off_and_says_why(sup: Supervised) -> None:
    sup.client.add(sup.program("0", ("/no/such/program",)))
    program = sup.until("g:0", lambda p: p.state == "backoff" and p.last_exit is not None)
    assert program.last_exit is not None
    assert program.last_exit.code == Exit.BOOT_FAILED
    assert "cannot start /no/such/program" in program.last_exit.log_tail[-1]
    assert program.retry_in_seconds is not None


def test_a_crash_loop_backs_off_fails_and_is_ended_by_restart_now(sup: Supervised) -> None:
    sup.client.add(sup.program("0", python("print('no luck'); raise SystemExit(7)")))
    backoff = sup.until("g:0", lambda p: p.state == "backoff" and (p.retry_in_seconds or 0) > 0)
    assert backoff.last_exit is not None
    assert backoff.last_exit.code == 7
    assert backoff.last_exit.log_tail == ("no luck",)
    assert (backoff.last_exit.rss_bytes or 0) > 2**20
    failed = sup.until("g:0", lambda p: p.state == "failed")
    assert failed.restarts >= 4
    assert 0 < (failed.retry_in_seconds or 0) <= 30
    sup.client.restart_now("g:0")
    again = sup.until("g:0", lambda p: p.state == "backoff")
    assert again.restarts > failed.restarts


def test_one_that_is_condemned_is_killed_and_started_again_but_no_other(sup: Supervised) -> None:
    first = sup.add("0")
    sup.client.condemn("g:0", first.pid + 1, "mistaken for another")
    os.kill(first.pid, signal.SIGSTOP)
    sup.client.condemn("g:0", first.pid, "it has stopped reporting")
    second = sup.running("g:0", other_than=first.pid)
    assert second.last_exit is not None
    assert (second.last_exit.signal, second.last_exit.reason) == (9, "it has stopped reporting")
    assert second.restarts == 1


def test_what_a_crashed_program_leaves_in_its_group_is_killed(sup: Supervised) -> None:
    sup.add("0", ("/bin/sh", "-c", "sleep 1000 & echo child $!; wait"))
    sup.prints("0", "child")
    child = int(sup.log("0").split()[1])
    assert alive(child)
    os.kill(sup.get("g:0").pid, signal.SIGKILL)
    eventually(lambda: not alive(child))


def test_stop_by_force_does_not_wait_for_the_drain(sup: Supervised) -> None:
    code = "import signal,time; signal.signal(15, lambda *_: None); print('on', flush=True); time.sleep(1000)"
    program = sup.add("0", python(code), stop_seconds=1000.0)
    sup.prints("0", "on")
    sup.client.stop("g:0", kill=True)
    eventually(lambda: sup.find("g:0") is None)
    assert not alive(program.pid)


def test_a_stop_that_takes_too_long_ends_with_sigkill(sup: Supervised) -> None:
    code = "import signal,time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(1000)"
    program = sup.add("0", python(code), stop_seconds=0.2)
    sup.prints("0", "on")
    sup.client.stop("g:0")
    eventually(lambda: sup.find("g:0") is None)
    assert not alive(program.pid)


def test_a_stop_right_after_the_start_is_never_lost(sup: Supervised) -> None:
    """Between fork and exec the child once had supervisord's handlers, and the SIGTERM vanished."""
    for number in range(20):
        sup.client.add(sup.program(str(number), stop_seconds=1000.0))
        sup.client.stop(f"g:{number}")
    eventually(lambda: len(sup.snapshot().programs) == 1)
    assert "SIGKILL" not in sup.own_log()


def test_signal_reaches_the_program_with_clean_handlers(sup: Supervised) -> None:
    code = (
        "import signal, time\n"
        "print([s.name for s in signal.Signals if signal.getsignal(s) == signal.SIG_IGN], flush=True)\n"
        "print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), flush=True)\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('usr1', flush=True))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(1000)\n"
    )
    sup.add("0", python(code))
    sup.prints("0", "ready")
    # Python itself ignores these two.
    assert sup.log("0").startswith("['SIGPIPE', 'SIGXFSZ']\nset()\n")
    sup.client.signal("g:0", signal.SIGUSR1)
    sup.prints("0", "usr1")
    sup.client.signal("g:nobody", signal.SIGUSR1)


def test_wait_returns_when_something_changes(sup: Supervised) -> None:
    before = sup.snapshot()
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(sup.client.wait(before.sequence, 60.0)))
    waiting.start()
    sup.client.add(sup.program("0"))
    waiting.join(10)
    assert not waiting.is_alive()
    assert answers[0].sequence > before.sequence


def test_wait_returns_at_its_timeout_and_after_an_unknown_number(sup: Supervised) -> None:
    now = sup.snapshot()
    assert sup.client.wait(now.sequence, 0.05).sequence == now.sequence
    assert sup.client.wait(now.sequence + 1_000_000, 60.0).sequence == now.sequence


def test_a_waiting_client_costs_nothing(sup: Supervised) -> None:
    """Supervisord's own deferred answers keep its loop spinning."""
    sequence = sup.snapshot().sequence
    waiting = threading.Thread(target=lambda: sup.client.wait(sequence, 1.0))
    waiting.start()
    spent = _cpu_ticks(sup.pid)
    waiting.join()
    assert _cpu_ticks(sup.pid) - spent < 10, "of 100 in that second"


def test_clients_that_hang_up_are_forgotten(sup: Supervised) -> None:
    from fleet.supervisor import rpc_call

    sequence = sup.snapshot().sequence
    for _ in range(5):
        with pytest.raises(TimeoutError):
            argument = f'{{"after": {sequence}, "timeout_seconds": 1000}}'
            rpc_call.call(sup.state.supervisor_socket, "fleet.wait", argument, 0.05)
    program = sup.add("0")
    assert sup.client.wait(sequence, 10.0).sequence > sequence
    assert program.state == "running"


def test_bad_requests_do_no_harm(sup: Supervised) -> None:
    from fleet.supervisor import rpc_call

    path = sup.state.supervisor_socket
    for method, argument in (
        ("fleet.add", "{}"),
        ("fleet.add", "[1]"),
        ("fleet.add", "not JSON"),
        ("fleet.stop", "{}"),
        ("fleet.signal", '{"full_name": "fleet:controller", "signum": 9999}'),
        ("fleet.wait", "null"),
        ("fleet.wait", None),
        ("fleet.nothing", "{}"),
        ("fleet._snapshot", None),
    ):
        with pytest.raises((rpc_call.CallRefused, rpc_call.BadAnswer)):
            rpc_call.call(path, method, argument, 5.0)
    assert sup.get("fleet:controller").state == "running"


def test_a_flood_of_output_rotates_and_starves_nobody(sup: Supervised) -> None:
    flood = "import os\nline = b'x' * 9999 + b'\\n'\nwhile True: os.write(1, line)"
    sup.client.add(sup.program("flood", python(flood)))
    eventually((sup.state.logs / "g.flood.log.3").exists, within=30)
    quiet = sup.add("quiet")
    os.kill(quiet.pid, signal.SIGKILL)
    sup.running("g:quiet", other_than=quiet.pid)
    sup.client.stop("g:flood")
    eventually(lambda: sup.find("g:flood") is None)
    sizes = [file.stat().st_size for file in sup.state.logs.glob("g.flood.log*")]
    assert len(sizes) == 4
    assert max(sizes) < 11 * 1024 * 1024


def test_logs_that_cannot_be_written_stop_nothing(sup: Supervised) -> None:
    code = "import time\nfor n in range(10**9): print('x' * 1000, n, flush=True); n % 100 or time.sleep(0.01)"
    program = sup.program("0", python(code))
    folder = sup.state.root / "gone"
    folder.mkdir()
    sup.client.add(type(program)(**{**_fields(program), "log_file": str(folder / "x.log")}))
    eventually((folder / "x.log").exists)
    (folder / "x.log").unlink()
    folder.rmdir()
    pid = sup.running("g:0").pid
    os.kill(pid, signal.SIGKILL)
    assert sup.running("g:0", other_than=pid).restarts == 1


def test_a_child_gets_environment_directory_nice_and_the_old_file_limit(sup: Supervised) -> None:
    import resource

    code = (
        "import os, resource\n"
        "print(os.environ['A'], os.environ['FLEET_SUPERVISED'], os.getcwd(), os.nice(0),"
        " resource.getrlimit(resource.RLIMIT_NOFILE)[0], sorted(map(int, os.listdir('/proc/self/fd')))[:3],"
        " os.getpgrp() == os.getpid(), flush=True)\n"
        "import time; time.sleep(1000)"
    )
    sup.add("0", python(code), environment={"A": "% ; # ü"}, directory="/usr", nice=3)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    sup.prints("0", f"% ; # ü 1 /usr {os.nice(0) + 3} {limit} [0, 1, 2] True")


def test_two_hundred_programs_up_and_down(sup: Supervised) -> None:
    count = 200
    descriptors = psutil.Process(sup.pid).num_fds()
    for number in range(count):
        sup.client.add(sup.program(str(number), SLEEP, group=f"g{number % 5}"))
    everybody = ["running"] * (count + 1)
    eventually(lambda: [p.state for p in sup.snapshot().programs] == everybody, within=30)
    pids = {p.pid for p in sup.snapshot().programs}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)

    def all_new() -> bool:
        programs = sup.snapshot().programs
        running = [p for p in programs if p.state == "running" and p.pid not in pids]
        return len(running) == len(programs) == count + 1

    eventually(all_new, within=30, message="all are back")
    for number in range(count):
        sup.client.stop(f"g{number % 5}:{number}")
    eventually(lambda: len(sup.snapshot().programs) == 1, within=30)
    eventually(lambda: psutil.Process(sup.pid).num_fds() <= descriptors + 2, message="none is left open")


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def _fields(program: object) -> dict[str, object]:
    from dataclasses import fields

    return {field.name: getattr(program, field.name) for field in fields(program)}  # type: ignore[arg-type]
