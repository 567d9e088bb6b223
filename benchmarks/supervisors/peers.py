"""The others, each with Celery solo workers and its own defaults; Celery's are told to keep quiet among themselves."""

from __future__ import annotations

import signal
from pathlib import Path

from benchmarks.supervisors.peers_venv import BIN
from benchmarks.supervisors.processes import children, command, marked
from benchmarks.supervisors.side import Side

_APP = """\
from celery import Celery

app = Celery("work", broker="{broker}")
app.conf.task_ignore_result = True
app.conf.worker_hijack_root_logger = True


@app.task
def nothing():
    pass
"""
_FLAGS = (
    "--pool=solo",
    "--loglevel=INFO",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
)


class Peer(Side):
    """A daemon whose direct children are the workers."""

    worker_word = "celery"
    stand_in = False  # programs that only sleep, where only the supervisor is looked at

    def prepare(self) -> None:
        (self.folder / "work.py").write_text(_APP.format(broker=self.broker))
        self._workers = 0

    def worker_command(self, number: str) -> str:
        """`number`: how the supervisor writes the number of a process."""
        if self.stand_in:
            return "/bin/sleep 100000"
        flags = " ".join(_FLAGS)
        return f"{BIN}/celery -A work worker {flags} -n w{number} --logfile={self.logs}/w{number}.log"

    def supervising(self) -> set[int]:
        assert self.daemon is not None
        return {self.daemon.pid}

    def workers(self) -> set[int]:
        assert self.daemon is not None
        return {pid for pid in children(self.daemon.pid) if self.stand_in or self.worker_word in command(pid)}

    def start(self, workers: int) -> None:
        self._workers = workers
        self.write(1)
        self.run_daemon(self.daemon_command())

    def stop(self) -> None:
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGTERM)

    def daemon_command(self) -> list[str | Path]:
        raise NotImplementedError

    def write(self, size: int) -> None:
        raise NotImplementedError


class Supervisord(Peer):
    name = "supervisord"
    package = "supervisor"

    def write(self, size: int) -> None:
        program = ""
        if self._workers:
            program = f"""
[program:w]
command={self.worker_command("%(process_num)03d")}
process_name=%(process_num)03d
numprocs={self._workers}
stopwaitsecs=30
environment=SIZE="{size}"
"""
        (self.folder / "supervisord.conf").write_text(f"""\
[unix_http_server]
file={self.folder}/sock

[supervisord]
nodaemon=true
logfile={self.folder}/supervisord.log
pidfile={self.folder}/supervisord.pid

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{self.folder}/sock
{program}""")

    def daemon_command(self) -> list[str | Path]:
        return [BIN / "supervisord", "-c", "supervisord.conf"]

    def restart(self) -> None:
        # One after the other, as people do who don't want to be without any.
        steps = (f"{BIN}/supervisorctl restart w:{number:03d}" for number in range(self._workers))
        self.tell(["sh", "-c", " && ".join(steps)])

    def save(self, size: int) -> None:
        self.write(size)
        self.tell([BIN / "supervisorctl", "update"])


class Circus(Peer):
    name = "circus"
    package = "circus"

    def write(self, size: int) -> None:
        watcher = ""
        if self._workers:
            watcher = f"""
[watcher:w]
cmd = {self.worker_command("$(circus.wid)")}
numprocesses = {self._workers}
graceful_timeout = 30
copy_env = True

[env:w]
SIZE = {size}
"""
        (self.folder / "circus.ini").write_text(f"""\
[circus]
endpoint = ipc://{self.folder}/endpoint
pubsub_endpoint = ipc://{self.folder}/pubsub
{watcher}""")

    def daemon_command(self) -> list[str | Path]:
        return [BIN / "circusd", "circus.ini"]

    def restart(self) -> None:
        self._circusctl("reload", "w")

    def save(self, size: int) -> None:
        self.write(size)
        self._circusctl("reloadconfig")

    def _circusctl(self, *words: str) -> None:
        self.tell([BIN / "circusctl", "--endpoint", f"ipc://{self.folder}/endpoint", *words])


class CeleryMulti(Peer):
    """It starts workers and goes; nobody looks after them."""

    name = "celery multi"
    package = "celery"
    respawns = False

    def supervising(self) -> set[int]:
        return set()

    def workers(self) -> set[int]:
        return {pid for pid in marked(self.mark) if "celery" in command(pid) and " worker " in command(pid)}

    def start(self, workers: int) -> None:
        self._workers = workers
        self._multi("start")

    def restart(self) -> None:
        self._multi("restart")

    def save(self, size: int) -> None:
        self.environment["SIZE"] = str(size)
        self._multi("restart")

    def stop(self) -> None:
        self._multi("stopwait")

    def _multi(self, verb: str) -> None:
        names = [f"w{number}" for number in range(self._workers)]
        files = [f"--pidfile={self.folder}/%n.pid", f"--logfile={self.logs}/%n.log"]
        self.tell([BIN / "celery", "multi", verb, *names, "-A", "work", *_FLAGS, *files])
