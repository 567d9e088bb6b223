"""Wrong data → data nearer to right: each mistake becomes one finding and is replaced by what was meant.

So one run reports all mistakes, and none that only follows from another. What can't be guessed is
replaced by a stand-in whose path is *poisoned*.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.config import known
from fleet.config.document import Document
from fleet.config.guesses import guess
from fleet.config.misnamed import GROUP_NAME, bad_name, unknown
from fleet.config.mistakes import mistakes
from fleet.config.toml import to_toml
from fleet.config.units import parse_duration, parse_size
from fleet.config.unnamed import give_names
from fleet.rules.finding import Change, Finding, KeyPath, Step
from fleet.rules.syntax import bad_unit, invalid_value, missing_key, unknown_pool
from fleet.rules.words import dotted

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_pattern_mismatch": GROUP_NAME,
    "too_short": "at least one",
}
_REPLICAS = "a whole number, or a table such as { min = 1, max = 8 }"
_TABLE_EXPECTED = ("dict_type", "model_type", "model_attributes_type")
# What stands in for a required value that is missing or senseless; anything that the models accept.
STAND_INS = {
    "app": "app",
    "pool": "solo",
    "queues": ["?"],
    "task": "?",
    "queue": "?",
    "max": 1,
    "fleet": {"app": "app"},
}


def repair(document: Document) -> Iterator[Finding]:
    """One round: what pydantic finds now. There may be more behind it."""
    unnamed = list(give_names(document))
    if unnamed:
        yield from unnamed
        return
    found = [(problem["type"], _path(problem["loc"]), problem) for problem in mistakes(document.data)]
    assert found, "pydantic takes what the models do not read"
    # Misnamed keys first: what is missing may be there under another name.
    misnamed = [problem for problem in found if problem[0] == "extra_forbidden"]
    for kind, path, problem in misnamed or found:
        yield from _repair(document, kind, path, problem)


def _repair(document: Document, kind: str, path: KeyPath, problem: Any) -> Iterator[Finding]:
    if kind == "extra_forbidden":
        yield unknown(document, path)
    elif kind == "missing":
        document.put(path, STAND_INS[str(path[-1])])
        if path[:-1] in document.poisoned:
            return
        document.poisoned.add(path)
        yield missing_key(path, known.description(path))
    elif kind == "string_pattern_mismatch" and problem["loc"][-1] == "[key]":
        yield bad_name(document, path)
    elif path in document.poisoned:
        _stand_in(document, path)  # reported already: its variable is not set
    elif document.has(path) and not _from_variable(document, kind, path):
        yield _wrong_value(document, kind, path, problem)


def _from_variable(document: Document, kind: str, path: KeyPath) -> bool:
    """ "${N}" can only be a text; where a number or a flag belongs, its content is read as one."""
    if path not in document.written:
        return False
    meant = guess(kind, document.get(path))
    if meant is None or meant[0] == document.get(path) or kind in ("pool", "literal_error"):
        return False
    document.put(path, meant[0])
    return True


def _wrong_value(document: Document, kind: str, path: KeyPath, problem: Any) -> Finding:
    got = document.get(path)
    shown = document.written.get(path) or got
    options, where = known.choices(path), _where(document, path)
    meant = guess(kind, got, options, path[-1])
    if meant:
        document.put(path, meant[0])
        if path == ("routes",) and (rules := _routes_by_pattern(got)):
            document.put(path, rules)
            for index, key in enumerate(got):
                document.put_origin((*path, index), (*path, key))
        elif kind in _TABLE_EXPECTED:
            document.put_origin(path, (*document.origin(path), 0))
        elif kind == "tuple_type":
            for index in range(len(meant[0])):
                document.put_origin((*path, index), document.origin(path))
    else:
        _stand_in(document, path)
    # A value with ${VAR} in it must be mended where the variable is set.
    steps: tuple[Step, ...] = (
        (Change(path, to_toml(meant[0])),) if meant and path not in document.written else ()
    )
    safe = meant is not None and meant[1]
    advice = f"write {to_toml(meant[0])}" if meant else None
    text = _shown(shown)
    from fleet.broker_url.masking import MASK
    from fleet.secret_names import is_secret_name

    if any(is_secret_name(part) for part in path):
        text, advice = MASK, "write it as a text, in quotes" if meant and isinstance(meant[0], str) else None
    if kind == "pool":
        return unknown_pool(path, where, text, meant[0] if meant else None, steps)
    if kind in ("duration", "size"):
        expected = _expected(kind, problem, options)
        otherwise = (
            f"write {expected}"
            if _is_read(kind, got)
            else "write a number and its unit, without a space, in quotes"
        )
        advice = advice or _known_habit(path, got) or otherwise
        return bad_unit(path, where, expected, text, advice=advice, steps=steps, safe=safe)
    if kind == "tuple_type" and path == ("routes",):
        advice, steps = _how_to_route(got), ()
    if kind in _TABLE_EXPECTED:
        advice, steps = f"write [{where}], and what belongs to it as keys below", ()
        text = "a list of tables" if meant else text
    return invalid_value(
        path,
        where,
        _REPLICAS if path[-1] == "replicas" and kind == "int_type" else _expected(kind, problem, options),
        text,
        advice=advice
        or _known_habit(path, got)
        or _what_to_write(kind, problem, options, known.description(path)),
        steps=steps,
        safe=safe,
    )


def _is_read(kind: str, value: Any) -> bool:
    """Whether it is a duration or size, though not one that can be here."""
    try:
        parse_duration(value) if kind == "duration" else parse_size(value)
    except ValueError:
        return False
    return True


_NO_LIMIT = ("none", "off", "no", "never", "unlimited", "infinite", "infinity", "inf", "forever", "disabled")


def _known_habit(path: KeyPath, value: Any) -> str | None:
    """For values that mean something in other tools."""
    key = path[-1]
    if key == "dead_letter" and value is True:
        return "leave it out: dead letters then go to the queue of this name with .dead behind it"
    if path[0] == "routes" and key == "queue" and isinstance(value, list):
        return "one queue for each [[routes]]: a task goes to one queue"
    if value is False or (isinstance(value, str) and value.strip().lower() in _NO_LIMIT):
        if path[0] == "machine":
            return f"leave `{key}` out: then what this machine has counts"
        return f"leave `{key}` out, for no limit" if known.default(path) is None else None
    return None


def _routes_by_pattern(table: Any) -> list[dict[str, str]]:
    """[routes] with lines of `"pattern" = "queue"`, as other tools have it; [] when it is not that."""
    if not isinstance(table, dict) or not all(isinstance(queue, str) for queue in table.values()):
        return []
    if {"task", "queue"} & table.keys():
        return []
    return [{"task": pattern, "queue": queue} for pattern, queue in table.items()]


def _how_to_route(table: Any) -> str:
    rules = _routes_by_pattern(table)
    if not rules:
        return "write [[routes]]: it is a list of tables"
    keys = f"task = {to_toml(rules[0]['task'])} and queue = {to_toml(rules[0]['queue'])}"
    return f"write a [[routes]] for each rule, the first with {keys}"


def _stand_in(document: Document, path: KeyPath) -> None:
    """Out with the value; what can't be left out gets a stand-in, without a second finding."""
    document.poisoned.add(path)
    name = path[-1]
    if isinstance(name, int):
        document.put(path, {"task": "?", "queue": "?"} if path[0] == "routes" else "?")
        if path[0] != "routes":
            document.poisoned.add(path[:-1])
    elif name in STAND_INS and "defaults" not in path and len(path) != 1:
        document.put(path, STAND_INS[name])
    elif len(path) == 2 and path[0] in ("workers", "queues"):
        document.put(path, {"pool": "solo", "queues": ["?"]} if path[0] == "workers" else {})
    elif path == ("fleet",):
        document.put(path, STAND_INS["fleet"])
    else:
        document.drop(path)


def _expected(kind: str, problem: Any, options: tuple[str, ...]) -> str:
    context = problem.get("ctx") or {}
    if kind == "literal_error":
        return "one of " + ", ".join(to_toml(option) for option in options)
    if "expected" in context:
        return str(context["expected"])
    for bound, words in (("ge", "at least"), ("le", "at most"), ("gt", "more than"), ("lt", "less than")):
        if bound in context:
            return f"{words} {context[bound]}"
    return EXPECTED.get(kind, str(problem["msg"]).lower())


def _what_to_write(kind: str, problem: Any, options: tuple[str, ...], description: str) -> str:
    expected = _expected(kind, problem, options)
    write = (
        f"write a number, {expected}" if expected.startswith(("at least", "at most")) else f"write {expected}"
    )
    return f"{write}. {description}" if description else write


def _where(document: Document, path: KeyPath) -> str:
    return dotted(document.origin(path))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    text = to_toml(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _path(location: tuple[str | int, ...]) -> KeyPath:
    """pydantic's location without its notes on unions and keys."""
    path = tuple(part for part in location if part != "[key]")
    for index, part in enumerate(path):
        if part == "replicas" and path[index + 1 : index + 2] in (("number",), ("table",)):
            return path[: index + 1] + path[index + 2 :]
    return path
