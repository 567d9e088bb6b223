"""A plan as lines for a terminal. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from fleet.cli.views.overrides import how_to_end, override_text
from fleet.cli.wrap import fold

Paint = Callable[[str, str], str]
"""Text and the name of a colour, or "bold"."""

_COLOURS = {"+": "green", "-": "red", "~": "yellow", "±": "yellow", "!": "red"}
_EFFECTS = {"live": "in place", "replace": "replaces workers", "restart": "needs `fleet down` and `fleet up`"}
_STATES = {
    "missing": "there is none",
    "backoff": "has crashed and is tried again",
    "failed": "keeps crashing",
    "silent": "has stopped reporting",
    "troubled": "does no work",
    "starting": "is being started",
    "stopping": "is draining",
}
_MASKED = "***"  # as in fleet.controller.declared.diff
_MOST_SLOTS = 12
_LONGEST_VALUE = 32
"""What is longer gets a line of its own."""


def plain(text: str, _colour: str) -> str:
    return text


def lines(found: dict[str, Any], width: int, paint: Paint = plain) -> Iterator[str]:
    """The verdict first, then groups, then drift; no line is longer than `width` if that can be avoided."""
    return fold(_lines(found, paint), width)


def _lines(found: dict[str, Any], paint: Paint) -> Iterator[str]:
    yield paint(_verdict(found), "bold")
    if found["fleet_changes"]:
        yield ""
        yield from _reasons(found["fleet_changes"], "  ", "")
    for group in found["groups"]:
        yield ""
        yield from _group(group, paint)
    if found["drift"]:
        yield ""
        yield paint("Not as the file in force says:", "bold")
        now = datetime.now(UTC)
        yield from (f"  {_drift(each, now)}" for each in found["drift"])


def _verdict(found: dict[str, Any]) -> str:
    if not found["running"]:
        return f"{found['fleet']} is not running; `fleet up` would start:"
    if any(each["effect"] == "restart" for each in found["fleet_changes"]):
        return f"{found['fleet']} would not take this while it runs: `fleet down`, then `fleet up`"
    if not found["changes"] and found["drift"]:
        return f"{found['fleet']}: the file changes nothing"
    if not found["changes"]:
        return f"{found['fleet']} is as the file declares it: nothing to do"
    counts = dict.fromkeys(("+", "-", "~", "±"), 0)
    for group in found["groups"]:
        for action in group["actions"]:
            counts[action["symbol"]] += 1
    words = {"+": "to start", "-": "to drain", "~": "to change in place", "±": "to replace"}
    said = ", ".join(f"{count} {words[symbol]}" for symbol, count in counts.items() if count)
    return f"{found['fleet']}: {said or 'changes, but none that a worker has to know'}"


def _group(group: dict[str, Any], paint: Paint) -> Iterator[str]:
    symbol = group["symbol"]
    replicas = group["replicas"]
    about = {"+": "new group", "-": "not in the file any more"}.get(
        symbol if None in replicas.values() else "", ""
    )
    place = _place(group["lines"]) if about == "new group" else ""
    yield f"{paint(symbol, _COLOURS[symbol])} {paint(group['name'], 'bold')}" + (
        f"  {about}{f', {place}' if place else ''}" if about else ""
    )
    yield from _reasons(group["reasons"], "    ", f"workers.{group['name']}.")
    for action in group["actions"][:_MOST_SLOTS]:
        mark = paint(action["symbol"], _COLOURS[action["symbol"]])
        yield f"  {mark} {action['worker']}  {action['reason']}"
    if (rest := len(group["actions"]) - _MOST_SLOTS) > 0:
        yield f"    and {rest} more"


def _reasons(reasons: Sequence[dict[str, Any]], indent: str, within: str) -> Iterator[str]:
    """Keys without the table that they are `within`, if it is theirs."""
    rows = [(each["key"].removeprefix(within), _values(each), _effect(each)) for each in reasons]
    short = [row for row in rows if len(row[1]) <= _LONGEST_VALUE]
    width, second = (max((len(row[index]) for row in short), default=0) for index in (0, 1))
    for key, value, effect in rows:
        if len(value) <= _LONGEST_VALUE:
            yield f"{indent}{key:<{width}}  {value:<{second}}  {effect}"
        else:
            yield f"{indent}{key:<{width}}  {effect}"
            yield f"{indent}  {value}"


def _effect(each: dict[str, Any]) -> str:
    place = f"{_place(each['lines'])}: " if each["lines"] else ""
    return f"{place}{_EFFECTS[each['effect']]}"


def _values(each: dict[str, Any]) -> str:
    old, new = each["old"], each["new"]
    if old == new:  # as far as it may be shown
        return f"another secret in {_value(new)}" if new != _MASKED else "another secret"
    return " → ".join("a secret" if value == _MASKED else _value(value) for value in (old, new))


def _place(span: Sequence[int]) -> str:
    if not span:
        return ""
    first, last = span
    return f"line {first}" if first == last else f"lines {first} to {last}"


def _value(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def _drift(each: dict[str, Any], now: datetime) -> str:
    match each["kind"]:
        case "override":
            return f"{override_text(each, now)}. {how_to_end(each)} ends it."
        case "rolled back":
            return f"{each['group']} is rolled back: {each['reason']}. `fleet reload` tries it again."
    return f"{each['worker']}: {_STATES.get(each['state'], each['state'])}"
