"""`fleet send`: publish a message as a program would, by the routes of the file."""

from __future__ import annotations

import json
from itertools import repeat
from pathlib import Path
from typing import Any

import click

from fleet.cli.exits import Exit
from fleet.cli.options import AtLeast, Failure, env_option, file_option, json_option
from fleet.cli.running.needed import Needed, name_a_task, rules
from fleet.visible import visible


@click.command(short_help="Send a message to a task, by the routes of fleet.toml.")
@click.argument("task", cls=Needed, names=rules, sentence=name_a_task)
@click.argument("arguments", metavar="[ARG...]", nargs=-1)
@click.option("--kwargs", metavar="JSON", help="Keyword arguments: '{\"width\": 320}'.")
@click.option("--delay", metavar="DURATION", help='Hand it out that much later: "10s".')
@click.option("--queue", help="Send to this queue whatever the routes say.")
@click.option("--count", type=AtLeast(1), default=1, help="So many messages, all alike.")
@file_option
@env_option
@json_option
def command(
    *,
    task: str,
    arguments: tuple[str, ...],
    kwargs: str | None,
    delay: str | None,
    queue: str | None,
    count: int,
    file: Path | None,
    env: str | None,
    as_json: bool,
) -> int:
    """Send a message to TASK by the routes of fleet.toml.

    Each ARG is read as JSON, and taken as text when it isn't. The task's code is not imported: whether it
    exists and takes these arguments only the worker can tell. Returns once the messages are on the broker.
    Only a task of a Celery app that no rule takes is looked up in the app, for its own router to choose.
    """
    message = {
        "task": task,
        "args": [_json_or_text(argument) for argument in arguments],
        "kwargs": _object(kwargs),
        "queue": queue,
        "delay_seconds": _seconds(delay),
    }
    target, sent = _routed(file, env, message, count)
    if as_json:
        click.echo(json.dumps({"task": task, "queue": target, "ids": sent}, indent=2))
    elif count == 1:
        click.echo(visible(f"sent {task} to queue {target}: {sent[0]}"))
    else:
        click.echo(visible(f"sent {count} messages of {task} to queue {target}"))
    return Exit.OK


def _routed(file: Path | None, env: str | None, message: dict[str, Any], count: int) -> tuple[str, list[str]]:
    """The queue, and the ids. What no rule takes goes where a Celery app's own router sends it."""
    from fleet.cli.running.send import Unrouted

    try:
        return _hand_over(file, env, message, count)
    except Unrouted:
        from fleet.cli.file.celery_routes import celery_queue

        chosen = None if message["queue"] else celery_queue(file, env, message["task"])
        if chosen is None:
            raise
        return _hand_over(file, env, {**message, "queue": chosen}, count)


def _hand_over(
    file: Path | None, env: str | None, message: dict[str, Any], count: int
) -> tuple[str, list[str]]:
    """To the controller, which notes it, or to the broker."""
    from fleet.cli.running.send import hand_in

    if count == 1 and (handed_in := hand_in(file, env, message)) is not None:
        return handed_in
    target, sent = _send(file, env, message, count)
    _note(file, env, message["task"], target, sent)
    return target, sent


def _note(file: Path | None, env: str | None, task: str, queue: str, sent: list[str]) -> None:
    from fleet.cli.running.audit import MOST_IDS, note

    many = f"{len(sent)} messages of " if len(sent) > 1 else ""
    note(
        file, env, "send", f"sent {many}{task}", task=task, queue=queue, count=len(sent), ids=sent[:MOST_IDS]
    )


def _send(file: Path | None, env: str | None, message: dict[str, Any], count: int) -> tuple[str, list[str]]:
    """The queue, and the ids of the messages."""
    from fleet.cli.file.routing import load_routing

    rules = load_routing(file, env)  # before the others: it makes pydantic quick
    from fleet.broker.delivery import BrokerUnavailable, MessageTooLarge, Refused
    from fleet.broker.router import Unroutable
    from fleet.cli.running.send import Unrouted
    from fleet.tasks.send_options import SendOptions
    from fleet.tasks.sending import UnknownQueue, destination, send_many

    task, call = message["task"], (message["args"], message["kwargs"])
    options = SendOptions(queue=message["queue"], delay_seconds=message["delay_seconds"])
    try:
        target, _ = destination(rules, task, options)
        sent = send_many(task, repeat(call, count), options, rules=rules)
    except Unroutable as error:
        raise Unrouted(str(error)) from error
    except (UnknownQueue, MessageTooLarge) as error:
        raise Failure(str(error)) from error
    except Refused as error:
        taken = count - len(error.postings)
        raise Failure(
            f"the broker did not take it: {error}" + (f"; it took {taken} of {count}" if taken else "")
        ) from error
    except BrokerUnavailable as error:
        raise Failure(f"the broker can't be reached: {error}") from error
    return target.name, sent


def _json_or_text(argument: str) -> Any:
    try:
        return json.loads(argument)
    except (ValueError, RecursionError):
        return argument


def _object(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(f"--kwargs: not JSON: {error}", Exit.USAGE) from None
    if not isinstance(value, dict):
        raise Failure(f'--kwargs: expected an object like {{"width": 320}}, got {text}', Exit.USAGE)
    return value


def _seconds(delay: str | None) -> float | None:
    if delay is None:
        return None
    from fleet.tasks.durations import seconds

    try:
        return seconds(float(delay) if delay.replace(".", "", 1).isdigit() else delay, "--delay")
    except ValueError as error:
        raise Failure(str(error), Exit.USAGE) from None
