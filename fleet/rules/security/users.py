"""`user`: who the workers are, and what that user can't reach."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.brokers import embedded_file
from fleet.rules.files import absolute
from fleet.rules.finding import Finding, Mark
from fleet.rules.registry import rule

_ROOT = ("root", "0")


@rule("FLT607", "group-stays-root", "warning", reads=("all workers.user",))
def group_stays_root(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A group without `user`, in a fleet that is started as root.

    `user` works only for root, so a file that says it for one group is meant to be started by root; and
    then the groups that don't say it run whatever tasks they are sent as root. `[defaults]` gives it to
    all. A file without any `user` is not reported: who will start it, it does not say.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        user = "shop"

        [workers.http]
        queues = ["http"]
        pool = "solo"

    Good:

        [defaults]
        user = "shop"

        [workers.images]
        queues = ["images"]
        pool = "solo"

        [workers.http]
        queues = ["http"]
        pool = "solo"
    """
    changed = [name for name, group in fleet.workers.items() if group.user]
    for name, group in fleet.workers.items():
        if changed and not group.user:
            yield Finding(
                ("workers", name),
                f'group "{name}" has no `user`, and so runs as root',
                related=(Mark(("workers", changed[0], "user"), "only a fleet started by root can do this"),),
                help=f'user = "{fleet.workers[changed[0]].user}" here, or once for all groups in [defaults]',
            )
        elif group.user in _ROOT:
            yield Finding(
                ("workers", name, "user"),
                f'group "{name}" runs as root: whoever tricks one of its tasks owns the machine',
                help="name a user that was made for it, with no more rights than its tasks need",
            )


@rule("FLT608", "user-locked-out", "error", reads=("all workers.user", "broker.url", "fleet.state_dir"))
def user_locked_out(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A group with `user` on an embedded broker whose file that user can't open.

    The embedded broker is a file of one user, mode 0600. By default it lies in `state_dir`, which belongs to
    whoever started the fleet, and that is root when `user` is to mean anything. Such a worker starts, can't
    open the file, and waits for its broker for ever. A file in a folder of that user works; for groups of
    several users it takes a broker with a server. Not looked at when a variable or `url_file` gives the URL.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        user = "shop"

    Good:

        [broker]
        url = "sqlite:////srv/shop/broker.db"

        [workers.images]
        queues = ["images"]
        pool = "solo"
        user = "shop"
    """
    file = embedded_file(fleet)
    users = {
        name: group.user for name, group in fleet.workers.items() if group.user and group.user not in _ROOT
    }
    if file is None or not users:
        return
    name, user = next(iter(users.items()))
    other = next((name for name in users if users[name] != user), None)
    if other is not None:
        yield Finding(
            ("workers", other, "user"),
            f'"{user}" and "{users[other]}" can\'t share the embedded broker: its file belongs to one user',
            related=(Mark(("workers", name, "user"), "the other user"), *_where_told(fleet)),
            help='a broker with a server, such as url = "amqp://…"',
        )
    elif file.is_relative_to(absolute(fleet, fleet.project.state_dir)):
        yield Finding(
            ("workers", name, "user"),
            f"\"{user}\" can't open the embedded broker: its file is in state_dir, which is root's alone",
            related=_where_told(fleet),
            help='url = "sqlite:////a/folder/of/that/user/broker.db", or a broker with a server',
            notes=("if root never starts this fleet, `user` does nothing: leave it out",),
        )


def _where_told(fleet: Fleet) -> tuple[Mark, ...]:
    return (Mark(("broker", "url"), "the file"),) if fleet.broker.url else ()
