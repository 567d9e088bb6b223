"""`state_dir` as the disk has it: whether a folder can be there at all."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.files import absolute, why_no_folder
from fleet.rules.finding import Finding
from fleet.rules.registry import rule


@rule("FLT723", "unusable-state-dir", "error", varies=True, reads=("fleet.state_dir",))
def unusable_state_dir(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A `state_dir` where no folder can be: below a file, or in what is the kernel's.

    Sockets, logs and the embedded broker's messages lie there, and without it `fleet up` does not start. It is made
    with all the folders above it, if the user who starts the fleet may do that. Nobody can below a file, behind a link
    that leads nowhere, or in /proc and /sys; /dev is made anew at each boot.

    Bad:

        [fleet]
        app = "shop.tasks"
        state_dir = "/proc/fleet"

    Good:

        [fleet]
        app = "shop.tasks"
        state_dir = "/var/lib/fleet/shop"
    """
    name = fleet.project.state_dir
    if name.strip() and "\0" not in name and (why := why_no_folder(absolute(fleet, name))) is not None:
        yield Finding(
            ("fleet", "state_dir"),
            f"`state_dir` can't be made: {why}",
            help='the default ".fleet", or a folder of the fleet\'s own user, such as /var/lib/fleet/NAME',
        )
