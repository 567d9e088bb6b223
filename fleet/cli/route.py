"""`fleet route`: which rule takes a task, and where it goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option, json_option
from fleet.cli.running.needed import Needed, name_a_task, rules

if TYPE_CHECKING:
    from fleet.broker.router import Match
    from fleet.tasks.routing import Routing


@click.command(short_help="Show which rule takes a task, and to which queue.")
@click.argument("task", cls=Needed, names=rules, sentence=name_a_task)
@file_option
@env_option
@json_option
def command(*, task: str, file: Path | None, env: str | None, as_json: bool) -> int:
    """Show which rule of fleet.toml takes TASK, and to which queue. Exit code 1: none does.

    A queue that the code names itself, by @task(queue=...) or .options(queue=...), goes before the rules. A task of a
    Celery app that no rule takes goes where the app's own router sends it; the app is imported for that.
    """
    from fleet.broker.router import Unroutable
    from fleet.cli.file.celery_routes import celery_queue
    from fleet.cli.file.routing import line_of_rule, load_routing

    rules = load_routing(file, env)
    match = rules.router.match(task)
    line = None if match is None else line_of_rule(rules.source, match.index, env)
    by_celery = None if match else celery_queue(file, env, task)
    if as_json:
        told = _as_dict(task, rules, match, line)
        click.echo(json.dumps({**told, "queue": told["queue"] or by_celery}, indent=2))
    elif by_celery is not None:
        click.echo(f"{task} → queue {by_celery}\n  by the router of the Celery app")
    elif match is not None:
        click.echo(_as_text(task, rules, match, line))
    else:
        try:
            rules.router.route(task, source=str(rules.source))
        except Unroutable as error:
            raise Failure(str(error)) from None
    return Exit.FINDINGS if match is None and by_celery is None else Exit.OK


def _as_dict(task: str, rules: Routing, match: Match | None, line: int | None) -> dict[str, Any]:
    rule = None if match is None else {"index": match.index, "pattern": match.pattern, "line": line}
    return {
        "task": task,
        "queue": None if match is None else match.queue,
        "priority": None if match is None else match.priority,
        "rule": rule,
        "file": str(rules.source),
    }


def _as_text(task: str, rules: Routing, match: Match, line: int | None) -> str:
    queue = rules.spec.queue(match.queue)
    priority = f", priority {match.priority}" if match.priority is not None else ""
    through = f", through exchange {queue.exchange}" if queue.exchange else ""
    where = f"{rules.source}:{line}" if line else str(rules.source)
    return (
        f"{task} → queue {match.queue}{priority}{through}\n"
        f'  by rule {match.index + 1}: task = "{match.pattern}" ({where})'
    )
