"""Message brokers for tests: those of the machine, else an own server on a free port.

Order for each broker: $FLEET_TEST_REDIS_URL or $FLEET_TEST_AMQP_URL, the default port of this machine, a
server of our own if its program is installed. None of them: the test skips and says why; under CI it fails.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import eventually


def answers(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unavailable(what: str) -> None:
    """Skip, plainly; under CI a missing broker is a failure."""
    reason = f"{what}: none at its default port, and its server program is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class OwnServer:
    """A broker of the test's own: it may stop, kill and restart it, on the same port with the same data."""

    program: str
    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="fleet-broker-")))
    process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def ready(self) -> bool:
        return answers(self.port)

    def start(self) -> None:
        # A session of its own: rabbitmq-server is a shell script with children, they end together.
        self.process = subprocess.Popen(
            self.command(),
            cwd=self.folder,
            env=self.environment(),
            stdout=(self.folder / "server.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        eventually(self._ready_or_dead, within=90, message=f"{self.program} on port {self.port}")

    def _ready_or_dead(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            pytest.fail(f"{self.program} ended at once:\n{(self.folder / 'server.log').read_text()[-2000:]}")
        return self.ready()

    def stop(self, signum: int = signal.SIGTERM) -> None:
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signum)
            self.process.wait(30)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
        self.process = None
        eventually(lambda: not answers(self.port), within=30, message=f"port {self.port} closed")

    def restart(self) -> None:
        self.stop()
        self.start()

    def destroy(self) -> None:
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class OwnRedis(OwnServer):
    program: str = "redis-server"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            self.program,
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
        ]


def rabbitmq_server() -> str | None:
    """The server's own script: Debian's on the PATH changes the user and loses our folders."""
    debian = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    return debian if os.access(debian, os.X_OK) else shutil.which("rabbitmq-server")


@dataclass
class OwnRabbit(OwnServer):
    program: str = field(default_factory=lambda: rabbitmq_server() or "rabbitmq-server")
    distribution_port: int = field(default_factory=free_port)
    settings: dict[str, int] = field(default_factory=dict)  # of the application rabbit

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def command(self) -> list[str]:
        return [self.program]

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints. Raises AssertionError."""
        own = "/usr/lib/rabbitmq/bin/rabbitmqctl"
        program = own if os.access(own, os.X_OK) else "rabbitmqctl"
        command = [program, "--quiet", "--node", f"fleet{self.port}@localhost", *arguments]
        try:
            done = subprocess.run(
                command, env=self.environment(), capture_output=True, text=True, timeout=120, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError(error) from error
        assert done.returncode == 0, f"rabbitmqctl {' '.join(arguments)}: {done.stderr or done.stdout}"
        return done.stdout

    def environment(self) -> dict[str, str]:
        # The machine's own configuration (/etc/rabbitmq) would give us its port and its node's name.
        plugins = self.folder / "enabled_plugins"
        plugins.write_text("[].\n")
        configuration = self.folder / "rabbitmq.conf"
        configuration.write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        node_environment = self.folder / "rabbitmq-env.conf"
        node_environment.write_text("")
        return {
            **os.environ,
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"fleet{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_CONF_ENV_FILE": str(node_environment),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(
                [
                    "+sbwt none +sbwtdcpu none +sbwtdio none",
                    *(f"-rabbit {name} {value}" for name, value in self.settings.items()),
                ]
            ),
        }

    def ready(self) -> bool:
        """Listening is not enough: a node that is still booting hangs up in the handshake."""
        if not answers(self.port):
            return False
        import kombu

        try:
            with kombu.Connection(self.url, connect_timeout=2) as connection:
                connection.connect()
        except OSError:
            return False
        return True
