"""The commands of people to a running fleet, beside the file: scale, drain, pause, resume, restart.

Each is carried out at once or refused, and noted with who asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fleet.controller.state.overrides import LONGEST_SECONDS, LONGEST_WORDS, MOST_REPLICAS, Override
from fleet.duration_words import exactly

if TYPE_CHECKING:
    from fleet.controller.reconciler import Reconciler
    from fleet.fleet_state import Group


_LOOK_SECONDS = 5.0


class CommandRefused(ValueError):  # noqa: N818
    """The command makes no sense for this fleet; the text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """`arguments`: group, queue, replicas, replica, for_seconds, reason, as far as the verb takes them."""

    verb: str
    arguments: Mapping[str, Any]
    actor: str
    pid: int = 0  # of the process that asks


def execute(reconciler: Reconciler, request: Request) -> str:
    """Do it, or raise CommandRefused; both go into the event log. What was done, in words."""
    try:
        request = _tidied(request)
        said = _VERBS[request.verb](reconciler, request)
    except CommandRefused as refusal:
        audit(reconciler, request, "WARNING", f"refused: {refusal}")
        raise
    reconciler.memory.save()  # before the answer: what was acknowledged holds
    audit(reconciler, request, "INFO", said)
    reconciler.wake()
    return said


async def undone(reconciler: Reconciler, request: Request) -> list[str]:
    """What of a command that was just carried out could not be done, or not be written down, in words."""
    if request.verb in _NOTED_ONLY:
        return []
    await reconciler.look(_LOOK_SECONDS)
    return reconciler.failures.concerning(_concerned(reconciler, request))


def _concerned(reconciler: Reconciler, request: Request) -> list[str]:
    """Names of the groups that it is about."""
    group, queue = request.arguments.get("group"), request.arguments.get("queue")
    if queue is None or reconciler.effective is None:
        return [] if group is None else [str(group)]
    return [
        each.name
        for each in reconciler.effective.groups
        if any(one.name == queue for one in each.spec.queues)
    ]


def _tidied(request: Request) -> Request:
    """The reason goes into logs and onto other people's terminals: one line, nothing that moves a cursor."""
    reason = request.arguments.get("reason")
    if reason is None:
        return request
    if not isinstance(reason, str):
        raise CommandRefused(f"reason: expected a text, got {reason!r}")
    line = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    if len(line) > LONGEST_WORDS:
        raise CommandRefused(f"reason: {len(line)} characters are too many, {LONGEST_WORDS} are enough")
    return replace(request, arguments={**request.arguments, "reason": line or None})


def audit(reconciler: Reconciler, request: Request, level: str, outcome: str) -> None:
    """Note in the event log who told what to do, and what came of it."""
    given = {
        name: value for name, value in request.arguments.items() if value is not None and name != "outcome"
    }
    entry = {
        "actor": request.actor,
        "pid": request.pid,
        "verb": request.verb,
        "arguments": given,
        "outcome": outcome,
    }
    why = f" ({given['reason']})" if "reason" in given else ""
    what = f"{request.verb} {_target(given)}".rstrip()
    reconciler.log.add(level, f"{request.actor}: {what}: {outcome}{why}", entry)


def _target(given: Mapping[str, Any]) -> str:
    if "queue" in given:
        return f"queue {given['queue']}"
    replica = f"/{given['replica']}" if "replica" in given else ""
    return f"{given.get('group', '')}{replica}"


def _scale(reconciler: Reconciler, request: Request) -> str:
    group = _group(reconciler, request)
    memory, replicas = reconciler.memory, request.arguments.get("replicas")
    if replicas is None:
        memory.overrides = memory.overrides.lift(("scale", "drain"), group.name)
        return f"{group.name} has as many workers as the file says"
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        raise CommandRefused(f"replicas: expected a whole number, 0 or more, got {replicas!r}")
    if group.singleton and replicas > 1:
        raise CommandRefused(f"{group.name} is a singleton: it never has two workers")
    if replicas >= MOST_REPLICAS:
        raise CommandRefused(f"{replicas:,} workers, each a process: no machine can mean that (FLT315)")
    memory.overrides = memory.overrides.put(_override(reconciler, request, group.name, replicas))
    return f"{group.name} now has {replicas} worker{'' if replicas == 1 else 's'}{_lasting(request)}"


def _drain(reconciler: Reconciler, request: Request) -> str:
    group = _group(reconciler, request)
    reconciler.memory.overrides = reconciler.memory.overrides.put(
        _override(reconciler, request, group.name, 0)
    )
    return f"{group.name} finishes its work and has no workers{_lasting(request)}"


def _pause(reconciler: Reconciler, request: Request) -> str:
    name, of_queue = _group_or_queue(reconciler, request)
    override = _override(reconciler, request, name, None, of_queue=of_queue)
    reconciler.memory.overrides = reconciler.memory.overrides.put(override)
    what = f"nothing more is taken from queue {name}" if of_queue else f"{name} takes no more messages"
    return f"{what}{_lasting(request)}"


def _resume(reconciler: Reconciler, request: Request) -> str:
    name, of_queue = _group_or_queue(reconciler, request)
    memory = reconciler.memory
    after = memory.overrides.lift(("pause", "drain"), name, of_queue=of_queue)
    if after == memory.overrides:
        return f"{_whose(name, of_queue)} was neither paused nor drained"
    memory.overrides = after
    return f"{_whose(name, of_queue)} goes on"


def _restart(reconciler: Reconciler, request: Request) -> str:
    observation = reconciler.observation
    if observation is None:
        raise CommandRefused("the controller has just started, ask again")
    name, replica = request.arguments.get("group"), request.arguments.get("replica")
    if name is not None:
        _group(reconciler, request)
    chosen = [
        worker.name
        for worker in observation.workers
        if not worker.leaving
        and (name is None or worker.group == name)
        and (replica is None or worker.replica == replica)
    ]
    if not chosen:
        raise CommandRefused(f"there is no worker {name}{'' if replica is None else f'/{replica}'}")
    reason = request.arguments.get("reason") or f"restart asked for by {request.actor}"
    reconciler.try_again(name)
    reconciler.memory.overrides = reconciler.memory.overrides.renew(chosen, reason)
    return f"{len(chosen)} worker{'' if len(chosen) == 1 else 's'} to be replaced, new ones first"


def _down(_reconciler: Reconciler, request: Request) -> str:
    """Done by the supervisor, which needs no controller for it: here it is only noted."""
    return "everything stops at once" if request.arguments.get("now") else "everything drains and stops"


def _restart_controller(_reconciler: Reconciler, _request: Request) -> str:
    """As `down`."""
    return "the controller starts again; every worker stays"


def _done_by_the_command(_reconciler: Reconciler, request: Request) -> str:
    """As `down`: `fleet send`, `fleet dead` and the dashboard talk to the broker themselves, and say here what they
    have done; the dashboard also who logged in, failed to, or had arguments revealed.
    """
    outcome = request.arguments.get("outcome")
    if not isinstance(outcome, str):
        raise CommandRefused(f"outcome: expected a text, got {outcome!r}")
    return outcome


TOLD = ("send", "dead-retry", "dead-purge", "dead-edit", "cancel", "login", "logout", "reveal")

_VERBS: dict[str, Callable[[Reconciler, Request], str]] = {
    "scale": _scale,
    "drain": _drain,
    "pause": _pause,
    "resume": _resume,
    "restart": _restart,
    "restart-controller": _restart_controller,
    "down": _down,
    **dict.fromkeys(TOLD, _done_by_the_command),
}
VERBS = frozenset(_VERBS)
_NOTED_ONLY = frozenset({"down", "restart-controller", *TOLD})


def _group(reconciler: Reconciler, request: Request) -> Group:
    declared, name = reconciler.declaration.accepted, request.arguments.get("group")
    group = declared.group(str(name)) if declared is not None else None
    if group is None:
        names = ", ".join(each.name for each in declared.groups) if declared is not None else "none"
        raise CommandRefused(f"there is no worker group {name!r}; there are: {names}")
    return group


def _group_or_queue(reconciler: Reconciler, request: Request) -> tuple[str, bool]:
    queue, declared = request.arguments.get("queue"), reconciler.declaration.accepted
    if queue is None:
        return _group(reconciler, request).name, False
    names = [each.name for each in declared.routing.queues] if declared is not None else []
    if queue not in names:
        raise CommandRefused(f"there is no queue {queue!r}; there are: {', '.join(names) or 'none'}")
    return str(queue), True


def _whose(name: str, of_queue: bool) -> str:
    return f"queue {name}" if of_queue else name


def _override(
    reconciler: Reconciler, request: Request, target: str, replicas: int | None, *, of_queue: bool = False
) -> Override:
    seconds = request.arguments.get("for_seconds")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and seconds > 0):
        raise CommandRefused(f"for_seconds: expected a number above 0, got {seconds!r}")
    if seconds is not None and not seconds <= LONGEST_SECONDS:
        raise CommandRefused(
            f"that long is for ever: leave it out, or say at most {LONGEST_SECONDS / 86400:.0f}d"
        )
    now = reconciler.clock()
    return Override(
        verb=request.verb,
        target=target,
        actor=request.actor,
        since=now,
        replicas=replicas,
        reason=request.arguments.get("reason"),
        until=None if seconds is None else now + seconds,
        of_queue=of_queue,
    )


def _lasting(request: Request) -> str:
    seconds = request.arguments.get("for_seconds")
    return "" if seconds is None else f" for {exactly(seconds)}"
