"""All hosts of a fleet as lines: the verdict, a line for each group on each host, then what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fleet.cli.views.text_table import Column, Row, table
from fleet.cli.wrap import fold

_ROLES = {"healthy": "good", "stopping": "warn"}


def lines(said: dict[str, Any], width: int, paint: Callable[[str, str], str]) -> Iterator[str]:
    hosts, state = said["hosts"], said["state"]
    count = f"{len(hosts)} host{'' if len(hosts) == 1 else 's'}"
    yield f"{said['fleet']} on {count}: {paint(state, _ROLES.get(state, 'bad'))}"
    if hosts:
        yield ""
        yield from table(_COLUMNS, list(_rows(hosts)), width, paint)
    if said["reasons"]:
        yield ""
        yield from fold(iter(said["reasons"]), width)


def _rows(hosts: list[dict[str, Any]]) -> Iterator[Row]:
    for host in hosts:
        at = {"host": host["host"], "state": host["state"] or "heard by others"}
        for group in host["groups"] or [None]:
            yield {**at, "group": group}


def _of_group(row: Row, text: Callable[[dict[str, Any]], str]) -> str:
    return text(row["group"]) if row["group"] else "-"


def _ready(group: dict[str, Any]) -> str:
    return f"{group['ready']}/{group['desired']}{' paused' if group['paused'] else ''}"


_COLUMNS = (
    Column("HOST", lambda row: str(row["host"]), shrinks=True),
    Column("STATE", lambda row: str(row["state"]), role=lambda row: _ROLES.get(row["state"], "bad")),
    Column("GROUP", lambda row: _of_group(row, lambda group: str(group["name"]))),
    Column("READY", lambda row: _of_group(row, _ready)),
    Column("REVISION", lambda row: _of_group(row, lambda group: str(group["revision"]))),
)
