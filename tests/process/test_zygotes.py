"""The supervisor's side of zygotes: whatever one of them does, the programs run and the supervisor lives."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.process.supervising import SLEEP, Supervised, python, supervised
from tests.support import alive, eventually

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux has subreapers"),
]

CHANNEL = "import os, socket, time; channel = socket.socket(fileno=0); "
READY = CHANNEL + """channel.send(b'{"ready": true}'); """
ANSWER = READY + "got = socket.recv_fds(channel, 65536, 3); os.write(got[1][2], %s); time.sleep(1000)"


@pytest.fixture
def sup(state_dir: Path) -> Iterator[Supervised]:
    with supervised(state_dir) as supervisor:
        yield supervisor


def zygotes(sup: Supervised) -> set[int]:
    programs = {program.pid for program in sup.snapshot().programs}
    return {child.pid for child in psutil.Process(sup.pid).children() if alive(child.pid)} - programs


def becomes_itself(pid: int) -> None:
    eventually(lambda: psutil.Process(pid).name() == "sleep")


@pytest.mark.parametrize(
    "answer",
    ["b'1'", "b'0'", "b'-1'", "b'9' * 30", "b'x'", "b' '", "str(os.getpid()).encode()"],
)
def test_a_process_that_is_no_new_child_of_ours_is_not_taken(sup: Supervised, answer: str) -> None:
    """A zygote may run as somebody else, and the supervisor signals whatever it takes for a program."""
    program = sup.add("0", preload=python(ANSWER % answer))
    becomes_itself(program.pid)
    assert sup.own_log().count("programs start without one") == 1
    eventually(lambda: not zygotes(sup), message="it is ended")


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(1)",
        "import os; os.abort()",
        CHANNEL + "channel.send(b'nonsense'); time.sleep(1000)",
        CHANNEL + "channel.send(b'3'); time.sleep(1000)",
        CHANNEL + "channel.close(); time.sleep(1000)",
        CHANNEL + """channel.send(b'{"refused": "it is of no use"}')""",
        READY + "channel.recv(1); time.sleep(1000)",
    ],
)
def test_one_that_fails_is_done_without(sup: Supervised, code: str) -> None:
    program = sup.add("0", preload=python(code))
    becomes_itself(program.pid)
    assert sup.own_log().count("programs start without one") == 1
    sup.client.stop("g:0")
    eventually(lambda: sup.find("g:0") is None)
    eventually(lambda: not zygotes(sup), message="none is left")


def test_programs_wait_for_the_first_one_and_can_be_stopped_meanwhile(sup: Supervised) -> None:
    code = CHANNEL + "time.sleep(1000)"
    sup.client.add(sup.program("0", preload=python(code)))
    assert sup.get("g:0").state == "starting"
    assert sup.get("g:0").pid == 0
    (zygote,) = zygotes(sup)
    sup.client.stop("g:0")
    eventually(lambda: sup.find("g:0") is None)
    eventually(lambda: not alive(zygote), message="it goes with the last program")


def test_one_that_never_gets_ready_is_not_waited_for_without_end(sup: Supervised) -> None:
    sup.client.add(sup.program("0", preload=python(CHANNEL + "time.sleep(1000)")))
    eventually(lambda: sup.get("g:0").state == "running", within=30)
    becomes_itself(sup.get("g:0").pid)
    sup.add("1", preload=python(CHANNEL + "time.sleep(1000)"))
    assert sup.own_log().count("is still importing; programs start without it") == 1


def test_one_that_exists_serves_all_of_its_kind(sup: Supervised) -> None:
    code = CHANNEL + "time.sleep(1000)"
    for name, more in (
        ("0", {}),
        ("1", {"group": "h"}),
        ("2", {"environment": {"A": "1"}}),
        ("3", {"directory": "/tmp"}),
    ):
        sup.client.add(sup.program(name, preload=python(code), **more))
    assert len(zygotes(sup)) == 3


def test_a_zygote_dies_with_its_supervisor(sup: Supervised) -> None:
    deaf = CHANNEL + "time.sleep(1000)"
    sup.client.add(sup.program("0", SLEEP, preload=python(deaf)))
    (zygote,) = eventually(lambda: zygotes(sup))
    os.kill(sup.pid, signal.SIGKILL)
    sup.ends()
    eventually(lambda: not alive(zygote))
