"""[workers] and [queues] whose entries have no names of their own → findings, and the document as if they had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.config import known
from fleet.config.document import Document
from fleet.config.toml import to_key
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.syntax import invalid_value

_NOUNS = {"workers": "group", "queues": "queue"}


def give_names(document: Document) -> Iterator[Finding]:
    """One finding for each table that is meant as the only entry, or as a list of entries with `name`."""
    for table, noun in _NOUNS.items():
        value = document.get((table,))
        if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            yield _of_list(document, table, noun, value)
        elif isinstance(value, dict) and (keys := _own_keys(table, value)):
            yield _of_one(document, table, noun, keys)


def _own_keys(table: str, value: dict[str, Any]) -> list[str]:
    """Keys of an entry that stand where its name belongs."""
    mine = known.keys((table, "any"))
    return [key for key, item in value.items() if key in mine and not isinstance(item, dict)]


def _of_one(document: Document, table: str, noun: str, keys: list[str]) -> Finding:
    value = document.get((table,))
    queues = value.get("queues") if table == "workers" else None
    name = queues[0] if isinstance(queues, list) and queues and isinstance(queues[0], str) else "main"
    header = document.origin((table,))
    for key in keys:
        origin = document.origin((table, key))
        document.put((table, name, key), document.drop((table, key)), origin=origin)
    if table == "queues":
        document.poisoned.add((table,))  # which of the names that are used is meant?
    elif not {"queues", "pool"} <= {*keys}:
        document.poisoned.add((table, name))  # too little to say more about it
    return invalid_value(
        header,
        table,
        f"a table for each {noun}",
        f"the keys of one {noun}, {', '.join(f'`{key}`' for key in keys[:4])}",
        advice=f"give it a name: [{table}.{to_key(name)}] instead of [{table}]",
        steps=(),
        safe=False,
    )


def _of_list(document: Document, table: str, noun: str, entries: list[dict[str, Any]]) -> Finding:
    header = document.origin((table,))
    named: dict[str, KeyPath] = {}
    found: dict[str, Any] = {}
    for index, entry in enumerate(entries):
        name = entry.get("name")
        name = name if isinstance(name, str) and name not in found else f"{noun}{index + 1}"
        found[name] = {key: item for key, item in entry.items() if key != "name"}
        named[name] = (*header, index)
    document.put((table,), found)
    for name, origin in named.items():
        document.put_origin((table, name), origin)
    first = next(iter(found))
    return invalid_value(
        header,
        table,
        f"a table for each {noun}",
        "a list of tables",
        advice=f"the name belongs into the header: [{table}.{to_key(first)}] instead of [[{table}]] with `name`",
        steps=(),
        safe=False,
    )
