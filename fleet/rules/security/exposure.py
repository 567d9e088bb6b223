"""The exposure of a fleet: who else can reach its port, its folder."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.brokers import embedded_file, is_loopback
from fleet.rules.files import absolute, open_to_all, writable_by_others
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import rule

_EVERYWHERE = ("", "0.0.0.0", "[::]")  # noqa: S104


@rule(
    "FLT605", "open-to-others", "error", varies=True, reads=("dashboard.*", "fleet.state_dir", "broker.url")
)
def open_to_others(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A dashboard without a token, or a `state_dir` where anybody may write.

    Whoever reaches the dashboard can pause and scale the fleet, so that beyond this machine it asks for
    the token in `token_file`. In /tmp anybody can make the folder first (then the fleet does not start),
    and the system cleans up: sockets and the embedded broker's messages disappear after some days, or
    at the next boot. The same goes for the embedded broker's file, where a URL puts it there: a warning. The
    state directory itself is made with mode 0700; a folder that is there already keeps its mode, and the fleet
    does not start in one that others may write into.

    Bad:

        [dashboard]
        listen = "0.0.0.0:8787"

    Good:

        [dashboard]
        listen = "0.0.0.0:8787"
        token_file = "/etc/fleet/token"
    """
    board = fleet.dashboard
    is_socket = board is not None and board.listen.startswith("unix:")  # whose mode says who may
    if board and not board.token_file and not is_socket and not is_loopback(_host(board.listen)):
        host = _host(board.listen)
        where = (
            "everybody who reaches this machine" if host in _EVERYWHERE else f"everybody who reaches {host}"
        )
        yield Finding(
            ("dashboard", "listen"),
            f"the dashboard is open to {where}, without a token",
            help='token_file = "…" beside it, or listen = "127.0.0.1:8787" behind a proxy',
        )
    yield from _open_state_dir(fleet)
    yield from _open_broker(fleet)


def _open_state_dir(fleet: Fleet) -> Iterator[Finding]:
    path: KeyPath = ("fleet", "state_dir")
    own = 'the default ".fleet", or a folder of the fleet\'s own user, such as /var/lib/fleet/NAME'
    state = absolute(fleet, fleet.project.state_dir)
    if writable_by_others(state):
        yield Finding(
            path,
            f"others may write into {state}; fleet leaves the mode of a folder that it has not made, and does "
            "not start in this one",
            help=f"{own}; fleet makes it for itself alone",
        )
    elif fleet.project.state_dir.strip() and (folder := open_to_all(state, inside=fleet.folder)):
        yield Finding(
            path,
            f"anybody may write into {folder}, where state_dir is made: others can take its place, and the "
            "system cleans up there",
            help=own,
        )


def _open_broker(fleet: Fleet) -> Iterator[Finding]:
    file = embedded_file(fleet)
    if file is None or fleet.broker.url is None:
        return
    if folder := open_to_all(file, inside=fleet.folder):
        yield Finding(
            ("broker", "url"),
            f"the embedded broker's file is in {folder}, where anybody may write and the system cleans up: its "
            "messages go after some days, or at the next boot",
            help="a folder of the fleet's own user, or leave `url` out: the file is then in state_dir",
            severity="warning",
        )


def _host(listen: str) -> str:
    """The host of "host:port"; "" for a port alone: all addresses."""
    return listen.rpartition(":")[0].strip()
