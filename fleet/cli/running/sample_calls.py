"""The sample calls of `fleet bench`: as options say them, from a file, or from messages that have died."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, reason_of

Call = tuple[list[Any], dict[str, Any]]
_MOST_DEAD = 100


def of_tasks(tasks: Sequence[str], given: Mapping[str, Any]) -> dict[str, list[Call]]:
    """Of each task; `given` are the options of the command. Raises Failure."""
    if given["dead"] is None:
        return dict.fromkeys(tasks, _given(given))
    if any(given[name] is not None for name in ("calls", "arguments", "named")):
        raise Failure("give the arguments once: --dead, or --calls, or --args and --kwargs", Exit.USAGE)
    return {task: _of_dead(task, given) for task in tasks}


def _of_dead(task: str, given: Mapping[str, Any]) -> list[Call]:
    from fleet.cli.running.dead_choice import opened

    with opened(given["file"], given["env"], (given["dead"],)) as dead:
        records = (
            dead.browser.look(
                lambda record: record.task == task and record.args is not None and dead.selects(record),
                _MOST_DEAD,
            )
            if dead.browser
            else []
        )
    if not records:
        raise Failure(
            f"no dead message of {task} in {given['dead']}: `fleet dead list` shows what there is", Exit.USAGE
        )
    return [(list(each.args or []), dict(each.kwargs or {})) for each in records]


def _given(given: Mapping[str, Any]) -> list[Call]:
    if given["calls"] is None:
        args, kwargs = _json("--args", given["arguments"], list), _json("--kwargs", given["named"], dict)
        return [(args, kwargs)]
    if given["arguments"] is not None or given["named"] is not None:
        raise Failure("give the arguments once: --calls, or --args and --kwargs", Exit.USAGE)
    found = []
    try:
        lines = given["calls"].read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{given['calls']} can't be read: {reason_of(error)}", Exit.USAGE) from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            found.append(_call(f"{given['calls']}, line {number}", line))
    if not found:
        raise Failure(f"{given['calls']} has no calls", Exit.USAGE)
    return found


def _call(where: str, line: str) -> Call:
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if isinstance(said, list):
        return said, {}
    if isinstance(said, dict) and said.keys() <= {"args", "kwargs"}:
        args, kwargs = said.get("args", []), said.get("kwargs", {})
        if isinstance(args, list) and isinstance(kwargs, dict):
            return args, kwargs
    raise Failure(f'{where}: expected [1, 2] or {{"args": […], "kwargs": {{…}}}}', Exit.USAGE)


def _json(option: str, text: str | None, kind: type) -> Any:
    if text is None:
        return kind()
    try:
        said = json.loads(text)
    except ValueError as error:
        raise Failure(f"{option}: no JSON: {error}", Exit.USAGE) from None
    if not isinstance(said, kind):
        raise Failure(
            f"{option}: expected {'a list' if kind is list else 'an object'}, got {text}", Exit.USAGE
        )
    return said
