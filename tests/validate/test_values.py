"""Every key of the file with every wrong kind of value: what is found, looked at once and written down.

values.txt has a line for each: the key, the value, and what is found, or "nothing". After a wanted change
`python -m tests.validate.test_values` writes it anew: read the diff. A "nothing" is a decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fleet.config.load import check
from fleet.config.model import Fleet
from fleet.config.source import from_bytes
from fleet.rules.finding import KeyPath
from tests.validate.test_files import MACHINE

TABLE = Path(__file__).with_name("values.txt")
# As they stand in the file. What is right for some keys is among them: those say nothing, or what it brings.
VALUES = {
    "number": "7",
    "zero": "0",
    "negative": "-1",
    "fraction": "1.5",
    "huge": "1000000000000000",
    "true": "true",
    "text": '"zzz"',
    "empty text": '""',
    "number in quotes": '"7"',
    "blank": '" "',
    "unicode": '"日本\\u202e"',
    "control": '"a\\u0000b"',
    "list": '["zzz"]',
    "empty list": "[]",
    "twice": '["http", "http"]',
    "list of numbers": "[7]",
    "table": "{ zzz = 7 }",
    "empty table": "{}",
    "date": "2026-01-01",
}
REST = {
    "fleet": 'app = "shop.tasks"',
    "broker": 'url = "amqps://shop@rabbit.example.com/shop"',
    "machine": "",
    "queues.http": 'workload = "io"',
    "routes": 'task = "*"\nqueue = "http"',
    "schedules": 'task = "shop.nightly"\ncron = "0 4 * * *"',
    "workers.http": 'queues = ["http"]\npool = "gevent"\nconcurrency = 100',
    "rollout": "",
    "dashboard": "",
    "history": "",
    "alerts": 'command = ["/usr/local/bin/page"]',
    "lint": "",
}
LISTS = ("routes", "schedules")
MODELS = {"fleet": "project", "queues.http": "queues", "workers.http": "workers"}


def keys() -> Iterator[tuple[str, str]]:
    """(table, key) of all that the models know."""
    from fleet.config import known

    places: dict[str, KeyPath] = {"queues.http": ("queues", "http"), "workers.http": ("workers", "http")}
    places |= {name: (name, 0) for name in LISTS}
    for table in REST:
        for key in known.keys(places.get(table, (table,))):
            yield table, key


def text(table: str, key: str, value: str) -> str:
    parts = []
    for name, rest in REST.items():
        lines = [line for line in rest.splitlines() if line and not line.startswith(f"{key} =")]
        if name == table:
            lines.append(f"{key} = {value}")
        elif name != table and not lines:
            continue
        else:
            lines = rest.splitlines()
        parts.append("\n".join([f"[[{name}]]" if name in LISTS else f"[{name}]", *lines]))
    return "\n\n".join(parts) + "\n"


def row(table: str, key: str, kind: str) -> str:
    source = from_bytes(text(table, key, VALUES[kind]).encode(), Path(__file__).with_name("fleet.toml"))
    found = check(source, environ={"HOME": "/home/shop"}, machine=MACHINE).diagnostics
    codes = dict.fromkeys(f"{each.code} {each.severity}" for each in found)
    return f"{table}.{key} = {VALUES[kind]} ({kind}): {', '.join(codes) or 'nothing'}"


def rows() -> list[str]:
    return [row(table, key, kind) for table, key in keys() for kind in VALUES]


def test_every_key_with_every_kind_of_value() -> None:
    assert rows() == TABLE.read_text(encoding="utf-8").splitlines()


def test_no_key_takes_all_of_them() -> None:
    quiet = {line.partition(" = ")[0] for line in rows() if line.endswith(": nothing")}
    loud = {line.partition(" = ")[0] for line in rows() if not line.endswith(": nothing")}
    assert quiet - loud == set()
    assert len(Fleet.fields) > 0


if __name__ == "__main__":
    TABLE.write_text("\n".join(rows()) + "\n", encoding="utf-8")
