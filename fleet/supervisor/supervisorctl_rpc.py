"""`[rpcinterface:supervisor]`, what `supervisorctl` speaks: looks and single programs as ever; what would end the
fleet, or leave it without its controller, is refused with the command that is meant.
"""

from __future__ import annotations

from typing import Any, NoReturn

from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.xmlrpc import Faults, RPCError

_FOLLOWS = "fleet follows its file by itself: `fleet reload` applies it now, `fleet restart` replaces workers"
_STOPS = "`fleet down` stops the fleet"


class SupervisorctlInterface(SupervisorNamespaceRPCInterface):  # type: ignore[misc]
    """`first` is the full name of the program that all others are added by."""

    def __init__(self, supervisord: Any, first: str) -> None:
        super().__init__(supervisord)
        self._first_group = first.partition(":")[0]

    def restart(self) -> NoReturn:
        """What `supervisorctl reload` asks for: to end, and to begin again from a file that there is not."""
        _refuse(_FOLLOWS)

    def reloadConfig(self) -> NoReturn:  # noqa: N802  supervisor's name
        """What `supervisorctl update` and `reread` ask for."""
        _refuse(_FOLLOWS)

    def shutdown(self) -> NoReturn:
        _refuse(_STOPS)

    def stopAllProcesses(self, wait: bool = True) -> NoReturn:  # noqa: N802  supervisor's names
        _refuse(_STOPS)

    def stopProcess(self, name: str, wait: bool = True) -> Any:  # noqa: N802  supervisor's name
        self._spare_first(name)
        return super().stopProcess(name, wait)

    def stopProcessGroup(self, name: str, wait: bool = True) -> Any:  # noqa: N802  supervisor's name
        self._spare_first(name)
        return super().stopProcessGroup(name, wait)

    def _spare_first(self, name: str) -> None:
        if name.partition(":")[0] == self._first_group:
            _refuse(f"without its controller the fleet would not follow its file; {_STOPS}")


def _refuse(why: str) -> NoReturn:
    raise RPCError(Faults.FAILED, why)
