"""`fleet status --stack GROUP/N`: where the code of a worker is, as lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Paint = Callable[[str, str], str]


def lines(answer: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """Tasks first, each with the line of the app that it is at; other threads after them."""
    for process in answer["processes"]:
        yield paint(f"{answer['worker']}: {process['role']} {process['pid']}", "head")
        if not process["answered"]:
            yield paint("  it can't be asked: it is of an older version, just starting, or gone", "warn")
            continue
        stacks = [*process["threads"], *process["green"]]
        at_work = [each for each in stacks if each["runs_task"]]
        if not at_work:
            yield paint("  no task runs here", "dim")
        for each in at_work:
            yield from _stack(each, paint, "task")
        for each in stacks:
            if not each["runs_task"]:
                yield from _stack(each, paint, "other")


def _stack(each: Mapping[str, Any], paint: Paint, kind: str) -> Iterator[str]:
    frames = each["frames"]
    if kind == "other":
        yield paint(f"  {each['name']}: {frames[0]}", "dim")
        return
    yield f"  {each['name']}: " + paint(str(each["place"] or frames[0]), "bad")
    yield from (f"    {frame}" for frame in frames)
