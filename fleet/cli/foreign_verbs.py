"""Verbs of other tools (celery, supervisorctl, docker, systemctl): the answer names fleet's own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_STATUS = "`fleet status` shows workers, queues and what is in flight"
_SEND = "`fleet send TASK [ARG…]` sends a message"
_PURGE = (
    "`fleet dead purge` deletes dead messages; fleet has no command that empties a queue of waiting ones: "
    "use the broker's own tools"
)

ANSWERS = {
    "start": "`fleet up` starts the fleet, `fleet up --detach` in the background",
    "run": "`fleet up` starts the fleet, `fleet up --detach` in the background",
    "serve": "`fleet up` starts the fleet, `fleet up --detach` in the background",
    "multi": "`fleet up --detach` starts all groups in the background; `replicas` in fleet.toml says how many workers",
    "stop": "`fleet down` drains and stops the fleet, `fleet drain GROUP` one group",
    "shutdown": "`fleet down` drains and stops the fleet, `fleet down --now` without waiting",
    "kill": "`fleet down --now` stops the fleet without waiting, `fleet restart GROUP/N` replaces one worker",
    "quit": "`fleet down` drains and stops the fleet",
    "ps": _STATUS,
    "list": _STATUS,
    "ls": _STATUS,
    "info": _STATUS,
    "inspect": f"{_STATUS}, `fleet status --json` all of it",
    "report": f"{_STATUS}, `fleet status --json` all of it",
    "stats": _STATUS,
    "events": "`fleet top` shows what goes on, `fleet logs -f` prints it",
    "monitor": "`fleet top` shows what goes on, and acts on it",
    "flower": "`fleet top` shows what goes on, and acts on it",
    "tail": "`fleet logs -f` follows the logs; `fleet logs GROUP/N` prints those of one worker",
    "log": "`fleet logs` prints the logs, `fleet logs -f` follows them",
    "purge": _PURGE,
    "flush": _PURGE,
    "clear": _PURGE,
    "amqp": "`fleet status` shows the queues, `fleet validate --connect` asks the broker about them",
    "call": _SEND,
    "apply": f"{_SEND}; `fleet reload` applies an edited fleet.toml",
    "enqueue": _SEND,
    "publish": _SEND,
    "update": "`fleet reload` applies an edited fleet.toml; saving it is enough, too",
    "reread": "`fleet reload` applies an edited fleet.toml; `fleet plan` shows what it would change",
    "check": "`fleet validate` checks fleet.toml",
    "lint": "`fleet validate` checks fleet.toml",
    "config": "`fleet validate` checks fleet.toml, `fleet schema` says what it may hold",
    "add": "`fleet scale GROUP=N` changes how many workers a group has; for good: `replicas` in fleet.toml",
    "beat": "`fleet up` sends [[schedules]] and the `beat_schedule` of a Celery app; `fleet schedule list` shows them",
    "failed": "`fleet dead list` shows messages that failed for good",
    "retry": "`fleet dead retry ID` sends dead messages back to their queues",
    "requeue": "`fleet dead retry ID` sends dead messages back to their queues",
    "new": "`fleet init` writes a first fleet.toml",
    "create": "`fleet init` writes a first fleet.toml",
    "version": "`fleet --version` says it",
    "help": "`fleet --help` lists the commands, `fleet COMMAND --help` explains one",
}


def of_celery(arguments: Sequence[str]) -> str:
    """What to do with a command line of Celery's, which names the app first."""
    init = f"fleet init --from celery {shlex.join(arguments)}"
    return f"the app stands in fleet.toml: `{init}` writes one, `fleet up` runs it"
