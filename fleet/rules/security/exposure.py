"""Who else can reach the fleet: its port, its folder."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.brokers import is_loopback
from fleet.rules.files import absolute, open_to_all
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import rule

_EVERYWHERE = ("", "0.0.0.0", "[::]")  # noqa: S104


@rule("FLT605", "open-to-others", "error", varies=True, reads=("dashboard.*", "fleet.state_dir"))
def open_to_others(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A dashboard without a token, or a `state_dir` where anybody may write.

    Whoever reaches the dashboard can pause and scale the fleet, so that beyond this machine it asks for
    the token in `token_file`. In /tmp anybody can make the folder first (then the fleet does not start),
    and the system cleans up: sockets and the embedded broker's messages disappear after some days, or
    at the next boot. The state directory itself is made with mode 0700.

    Bad:

        [dashboard]
        listen = "0.0.0.0:8787"

    Good:

        [dashboard]
        listen = "0.0.0.0:8787"
        token_file = "/etc/fleet/token"
    """
    board = fleet.dashboard
    if board and not board.token_file and not is_loopback(_host(board.listen)):
        host = _host(board.listen)
        where = (
            "everybody who reaches this machine" if host in _EVERYWHERE else f"everybody who reaches {host}"
        )
        yield Finding(
            ("dashboard", "listen"),
            f"the dashboard is open to {where}, without a token",
            help='token_file = "…" beside it, or listen = "127.0.0.1:8787" behind a proxy',
        )
    folder = open_to_all(absolute(fleet, fleet.project.state_dir), inside=fleet.folder)
    if folder:
        path: KeyPath = ("fleet", "state_dir")
        yield Finding(
            path,
            f"anybody may write into {folder}, where state_dir is made: others can take its place, and the "
            "system cleans up there",
            help='the default ".fleet", or a folder of the fleet\'s own user, such as /var/lib/fleet/NAME',
        )


def _host(listen: str) -> str:
    """The host of "host:port"; "" for a port alone: all addresses."""
    return listen.rpartition(":")[0].strip()
