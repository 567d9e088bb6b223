"""Waiting for a fleet to be ready, or to have failed for sure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from fleet import program_labels
from fleet.cli.exits import Exit
from fleet.cli.options import Failure
from fleet.cli.running.api_client import status_if_answering
from fleet.launch_specs import Exit as ProgramExit
from fleet.statedir import StateDir
from fleet.supervisor.client import Program, SupervisorClient, SupervisorUnavailable

_LAST_WORDS = 5
_ASK_EVERY_SECONDS = 0.1
_FIRST_ANSWER_SECONDS = 60.0
_BROKER_AWAY = "the broker can't be reached"


def wait_until_healthy(state: StateDir, until: float, seconds: float) -> None:
    """Returns when the controller says "healthy". `until`: on the monotonic clock; `seconds`: the same for people.

    Raises Failure when a program can't start, or has crashed so often that it counts as failed, when all is gone,
    or when it takes too long.
    """
    client = SupervisorClient(state.supervisor_socket)
    while ((status := status_if_answering(state)) or {}).get("state") != "healthy":
        try:
            programs = client.snapshot().programs
        except SupervisorUnavailable:
            raise Failure("the fleet has ended: `fleet logs` says why", Exit.NOT_RUNNING) from None
        for program in programs:
            _check(program)
        if time.monotonic() >= until:
            reasons = "".join(f"\n  {reason}" for reason in _not_ready(status))
            raise Failure(f"not ready after {seconds:g} s; the fleet stays up (`fleet status`):{reasons}")
        time.sleep(_ASK_EVERY_SECONDS)


def _not_ready(status: dict[str, Any] | None) -> Iterator[str]:
    """Why, for each worker, as far as it can be told."""
    if status is None:
        yield "the controller does not answer: `fleet logs fleet` says why"
        return
    if error := (status.get("broker") or {}).get("error"):
        yield f"{_BROKER_AWAY}: {error}"
    named = []
    for worker in (each for group in status["groups"] for each in group["workers"]):
        if worker["state"] == "ready":
            continue
        named.append(worker["id"])
        said = ((worker.get("last_exit") or {}).get("log_tail") or [])[-1:]
        ended = f"it ended before: {said[0]}" if said else "`fleet logs` shows what it does"
        yield f"{worker['id']} is {worker['state']}: {worker.get('broker_error') or ended}"
    groups = [group["name"] for group in status["groups"] if group["workers"]]
    for reason in status.get("reasons", ()):
        # What has been said of a group's workers need not be said of the group, nor "can't be reached" again.
        if not (named and reason.partition(":")[0] in groups) and not (error and reason == _BROKER_AWAY):
            yield reason


def _check(program: Program) -> None:
    """Raises Failure when waiting for this program is in vain."""
    last = program.last_exit
    if last is None or program.state not in ("backoff", "failed"):
        return
    if program.state == "failed" or last.code == ProgramExit.BOOT_FAILED:
        fate = "can't start" if last.code == ProgramExit.BOOT_FAILED else "crashes again and again"
        said = "".join(f"\n  {line}" for line in last.log_tail[-_LAST_WORDS:])
        raise Failure(f"{program.full_name} {fate}; its last words:{said}")


def wait_until_answering(state: StateDir) -> None:
    """Returns when the controller answers, so that `fleet status` can.

    Raises Failure when the controller can't start, or is silent for long; the supervisor goes on trying.
    """
    client = SupervisorClient(state.supervisor_socket)
    until = time.monotonic() + _FIRST_ANSWER_SECONDS
    while status_if_answering(state) is None:
        if time.monotonic() > until:
            raise Failure(
                f"the fleet is up, but its controller has not answered for {_FIRST_ANSWER_SECONDS:.0f} s: "
                "`fleet logs controller` says what it does"
            )
        try:
            programs = client.snapshot().programs
        except SupervisorUnavailable:
            raise Failure("the fleet has ended: `fleet logs` says why", Exit.NOT_RUNNING) from None
        if (controller := program_labels.controller(programs)) is not None:
            _check(controller)
        time.sleep(_ASK_EVERY_SECONDS)
