"""`fleet up` as a service of Type=notify, with a socket in systemd's place; and the unit file in examples/."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.following import Following
from tests.support import ROOT, eventually

pytestmark = pytest.mark.process


class Systemd:
    """Hears what the service says."""

    def __init__(self, path: Path) -> None:
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "600000"}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.setblocking(False)
        self.said: list[str] = []
        self.speakers: set[int] = set()

    def listen(self) -> list[str]:
        while True:
            try:
                text, ancillary, _, _ = self.socket.recvmsg(4096, 64)
            except BlockingIOError:
                return self.said
            self.said += text.decode().split("\n")
            for _, kind, data in ancillary:
                if kind == socket.SCM_CREDENTIALS:
                    self.speakers.add(int.from_bytes(data[:4], sys.byteorder))

    def hears(self, line: str) -> None:
        def heard() -> bool:
            assert line in self.listen(), self.said
            return True

        eventually(heard, within=20, message=f"systemd hears {line}")

    def forget(self) -> None:
        self.listen()
        self.said.clear()


@pytest.fixture
def systemd(short_folder: Path) -> Iterator[Systemd]:
    made = Systemd(short_folder / "notify")
    yield made
    made.socket.close()


def test_systemd_is_told_of_ready_reload_and_stop_and_the_watchdog_is_fed(
    short_folder: Path, systemd: Systemd
) -> None:
    with Following(short_folder, env=systemd.environment) as fleet:
        systemd.hears("STATUS=3 of 3 workers ready")
        systemd.hears("READY=1")
        said = systemd.listen()
        assert said.index("READY=1") < said.index("STATUS=3 of 3 workers ready"), "not before"
        assert said[said.index("READY=1") + 1] == "STATUS=3 of 3 workers ready"
        systemd.forget()
        for _ in range(3):
            systemd.hears("WATCHDOG=1")
            systemd.forget()
        for pid in fleet.by_pid().values():
            assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes()

        os.kill(fleet.pid, signal.SIGHUP)
        systemd.hears("RELOADING=1")
        systemd.hears("READY=1")
        said = systemd.listen()
        assert said.index("RELOADING=1") < said.index("READY=1")

        systemd.forget()
        fleet.edit("replicas = 2", "replicas = 3")
        systemd.hears("STATUS=4 of 4 workers ready")

        os.kill(fleet.pid, signal.SIGTERM)
        systemd.hears("STOPPING=1")
        assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in systemd.said)
        fleet.end()
        assert systemd.speakers == {fleet.pid}, "NotifyAccess=main"


def test_a_stopped_main_loop_starves_the_watchdog(short_folder: Path, systemd: Systemd) -> None:
    with Following(short_folder, env=systemd.environment) as fleet:
        systemd.hears("READY=1")
        os.kill(fleet.pid, signal.SIGSTOP)
        try:
            systemd.forget()
            fleet.pass_time(0.8)
            systemd.forget()
            fleet.pass_time(0.8)
            assert systemd.listen() == []
        finally:
            os.kill(fleet.pid, signal.SIGCONT)
        systemd.hears("WATCHDOG=1")


def test_the_unit_file_is_one_that_systemd_accepts(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "systemd" / "fleet.service").read_text()
    assert "Type=notify\n" in text
    assert "KillMode=mixed\n" in text
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "shop.service"
    # It wants to see the program that is to be started.
    unit.write_text(text.replace("/srv/shop/.venv/bin/fleet", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
