"""ProgramSpec → what supervisord wants to know of a program. No configuration file in between."""

from __future__ import annotations

import os
import pwd
import re
from typing import TYPE_CHECKING, Any

from supervisor.datatypes import RestartUnconditionally
from supervisor.dispatchers import PInputDispatcher
from supervisor.options import ProcessConfig

from fleet.launch_specs import ProgramSpec
from fleet.supervisor.output import Output
from fleet.supervisor.process import ManagedProcess

if TYPE_CHECKING:
    from fleet.supervisor.options import EngineOptions

# ":" separates group and name, "/" would leave the folder of the logs; the rest garbles logs and
# supervisorctl.
_BAD_IN_NAMES = re.compile(r"[\s:/\x00-\x1f\x7f]")


class ManagedConfig(ProcessConfig):  # type: ignore[misc]
    """Makes ManagedProcesses."""

    name: str
    """With the group in it: supervisord's log shows nothing else. The key in the group's processes."""

    def __init__(self, options: EngineOptions, spec: ProgramSpec) -> None:
        super().__init__(options, **_parameters(spec))
        self.spec = spec

    def make_process(self, group: Any = None) -> ManagedProcess:
        process = ManagedProcess(self)
        process.group = group
        return process

    def make_dispatchers(self, proc: ManagedProcess) -> tuple[dict[int, Any], dict[str, int | None]]:
        pipes = self.options.make_pipes(stderr=False)
        return {
            pipes["stdout"]: Output(proc, pipes["stdout"], proc.log),
            pipes["stdin"]: PInputDispatcher(proc, "stdin", pipes["stdin"]),
        }, pipes


def check(spec: ProgramSpec) -> None:
    """Raises ValueError with the reason why `spec` can't be supervised."""
    for what, name in (("group", spec.group), ("name", spec.name)):
        if not name or name.startswith(".") or _BAD_IN_NAMES.search(name):
            raise ValueError(
                f'{what} {name!r}: expected no space, ":" or "/", no "." at the start, and not nothing'
            )
    if not spec.command or not spec.command[0].startswith("/"):
        raise ValueError(f"command {list(spec.command)!r}: expected an absolute path first")
    for what, path in (("directory", spec.directory), ("log_file", spec.log_file)):
        if not path.startswith("/"):
            raise ValueError(f"{what} {path!r}: expected an absolute path")
    if any("\0" in text for text in (*spec.command, *spec.environment, *spec.environment.values())):
        raise ValueError("command or environment contains a zero byte")
    if spec.stop_seconds < 0:
        raise ValueError(f"stop_seconds {spec.stop_seconds}: expected 0 or more")
    if spec.user is not None:
        _check_user(spec.user)


def _check_user(name: str) -> None:
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ValueError(f"user {name!r}: no such user on this machine") from None
    if os.getuid() not in (0, uid):
        raise ValueError(f"user {name!r}: only root can start programs as somebody else")


def _parameters(spec: ProgramSpec) -> dict[str, Any]:
    """Most of these are never read: ManagedProcess and ManagedConfig take over what they steer."""
    channel = {
        "logfile": spec.log_file,
        "capture_maxbytes": 0,
        "events_enabled": False,
        "syslog": False,
        "logfile_backups": 0,
        "logfile_maxbytes": 0,
    }
    return {
        "name": f"{spec.group}.{spec.name}",
        "uid": None,
        "command": " ".join(spec.command),
        "directory": spec.directory,
        "umask": None,
        "priority": 999,
        "autostart": True,
        "autorestart": RestartUnconditionally,
        "startsecs": 0,
        "startretries": 0,
        "stopsignal": 15,
        "stopwaitsecs": spec.stop_seconds,
        "stopasgroup": False,
        "killasgroup": True,
        "exitcodes": [0],
        "redirect_stderr": True,
        **{f"stdout_{key}": value for key, value in channel.items()},
        **{f"stderr_{key}": value for key, value in channel.items()},
        "stderr_logfile": None,
    }
