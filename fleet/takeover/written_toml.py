"""The fleet.toml of what was taken over, with a comment for each thing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from fleet.takeover.found import FoundSchedule
from fleet.takeover.groups import DEFAULT_QUEUE, TakenGroup

_COLUMN = 40


class Sheet(NamedTuple):
    """All that is written."""

    made_from: str
    app: str
    app_comment: str
    pythonpath: list[str]
    broker_url: str
    broker_comment: str
    groups: list[TakenGroup]
    beat_scheduler: str
    schedules: list[FoundSchedule]


def written(sheet: Sheet) -> str:
    return "\n".join(_lines(sheet)) + "\n"


def _lines(sheet: Sheet) -> Iterator[str]:
    yield f"# Worker groups in place of `celery worker`, taken over from {one_line(sheet.made_from)}."
    yield "# Behind each key: what it was there. `fleet validate --app` asks the app for more."
    yield from ("", "[fleet]", _line("app", sheet.app, sheet.app_comment))
    if sheet.pythonpath:
        yield _line("pythonpath", [".", *sheet.pythonpath], "where it was started")
    if sheet.beat_scheduler:
        yield _line("beat_scheduler", sheet.beat_scheduler, "-S of celery beat")
    yield from ("", "[broker]", _line("url", sheet.broker_url, sheet.broker_comment))
    for queue in dict.fromkeys(queue for group in sheet.groups for queue in group.queues):
        comment = "  # Celery's default queue" if queue == DEFAULT_QUEUE else ""
        yield from ("", f"[queues.{_key(queue)}]{comment}")
    for group in sheet.groups:
        yield ""
        yield from _group(group)
    for schedule in sheet.schedules:
        yield from ("", *_schedule(schedule, sheet.groups[0].queues[0]))


def _schedule(found: FoundSchedule, queue: str) -> Iterator[str]:
    yield f"[[schedules]]  # {one_line(found.where)}"
    yield _line("name", found.name, "by its command")
    yield _line(
        "task",
        found.task,
        "of `celery call`" if found.called else "DECIDE: a task that does what the command did",
    )
    yield _line("cron", found.cron, "as it was there")
    yield _line("queue", queue, "of the first group")
    if found.timezone:
        yield _line("timezone", found.timezone, "CRON_TZ")
    else:
        yield "# timezone: cron's is that of the machine, fleet's is UTC"
    if found.jitter:
        yield _line("jitter", found.jitter, "sleep $((RANDOM …))")
    if found.overlap:
        yield _line("overlap", found.overlap, "flock")


def _group(group: TakenGroup) -> Iterator[str]:
    yield f"[workers.{_key(group.name)}]  # {one_line(group.where)}"
    yield _line("queues", group.queues, group.queues_comment)
    for setting in group.settings:
        yield _line(setting.key, setting.value, setting.comment)
    for needless in group.needless:
        yield f"# {one_line(needless.what)}: {needless.why}"
    for left in group.left:
        yield f"# NOT TAKEN OVER: {one_line(left.what)}: {left.why}"


def _line(key: str, value: object, comment: str) -> str:
    return f"{f'{key} = {_value(value)}':<{_COLUMN}}  # {one_line(comment)}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return _string(value) if isinstance(value, str) else str(value)


def _string(text: str) -> str:
    """JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def one_line(text: str) -> str:
    """A comment holds no line ends and no control characters, and no password of a URL."""
    text = re.sub(r"://[^\s/@]*@", "://…@", text)
    return "".join(char if char.isprintable() else " " for char in text)
