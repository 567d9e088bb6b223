"""Every key of the file against the keys that it interacts with: what is found when the two contradict each other.

contradictions.txt has a paragraph for each pair: the keys, the lines put over the file below, what is found; or
"nothing", and why that is right. A key without a paragraph fails, and so does a check that looks at several keys of
which one is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fleet.config.load import check
from fleet.config.source import from_bytes
from fleet.rules import catalogue
from tests.validate.test_files import MACHINE
from tests.validate.test_values import keys

TABLE = Path(__file__).with_name("contradictions.txt")
BASE = """\
fleet.app = "shop.tasks"
broker.url = "amqps://shop@rabbit.example.com/shop"
queues.http.workload = "io"
routes.0.task = "*"
routes.0.queue = "http"
workers.http.queues = ["http"]
workers.http.pool = "gevent"
workers.http.concurrency = 100
"""
ENVIRON = {"HOME": "/home/shop"}
# Checks of one key at a time, though they do that for several; or of a machine or a day that is not at hand.
SINGLE = {
    "FLT407",
    "FLT511",
    "FLT601",
    "FLT606",
    "FLT708",
    "FLT712",
    "FLT714",
    "FLT803",
    "FLT808",
    "FLT811",
    "FLT902",
    "FLT905",
}


class Pair(NamedTuple):
    keys: tuple[str, ...]
    lines: tuple[str, ...]
    found: tuple[str, ...]
    because: str

    def __str__(self) -> str:
        return f"{' + '.join(self.keys)}: {'; '.join(self.lines)}"


def pairs(text: str) -> Iterator[Pair]:
    for paragraph in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip()):
        head, *lines, end = paragraph.splitlines()
        result = end.removeprefix("→ ")
        assert result != end, f"no line with → in {paragraph!r}"
        nothing, _, because = result.partition("nothing: ")
        found = tuple(nothing.split(", ")) if nothing else ()
        yield Pair(tuple(head.split(" + ")), tuple(line.strip() for line in lines), found, because)


def file(lines: tuple[str, ...]) -> str:
    """The base with these lines put over it; a line that is only a key takes that key out."""
    tables: dict[str, dict[str, str]] = {}
    for line in (*BASE.splitlines(), *lines):
        path, _, value = line.partition(" = ")
        table, key = re.fullmatch(r"(.+?)\.([\w-]+)", path).groups()  # type: ignore[union-attr]
        rows = tables.setdefault(table, {})
        rows.pop(key, None)
        if value:
            rows[key] = value
    texts = []
    for table, rows in tables.items():
        many = table.partition(".")[0]
        name = f"[[{many}]]" if many in ("routes", "schedules") else f"[{table}]"
        if rows:
            texts.append("\n".join([name, *(f"{key} = {value}" for key, value in rows.items())]))
    return "\n\n".join(texts) + "\n"


def found(pair: Pair) -> list[str]:
    (TABLE.parent / "env" / "plain.env").chmod(0o600)  # git keeps no modes
    source = from_bytes(file(pair.lines).encode(), TABLE.with_name("fleet.toml"))
    diagnostics = check(source, environ=ENVIRON, machine=MACHINE).diagnostics
    return [f"{each.code} {each.severity}" for each in diagnostics]


PAIRS = list(pairs(TABLE.read_text(encoding="utf-8")))
KEYS = {f"{table.partition('.')[0]}.{key}" for table, key in keys()}
NAMED = {key for pair in PAIRS for key in pair.keys}


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_contradiction_gives_what_the_table_says(pair: Pair) -> None:
    assert found(pair) == list(pair.found)
    assert bool(pair.found) != bool(pair.because)


def test_every_key_of_the_model_has_a_paragraph() -> None:
    assert sorted(KEYS - NAMED) == []


def test_the_table_names_keys_that_there_are() -> None:
    of_groups = {key.replace("workers.", "defaults.") for key in KEYS}
    assert NAMED - KEYS - of_groups == {"env"}


def test_each_paragraph_sets_one_of_its_keys() -> None:
    for pair in PAIRS:
        set_here = {re.sub(r'\.("[^"]+"|[\w-]+)\.', ".", line.partition(" = ")[0]) for line in pair.lines}
        assert set_here & set(pair.keys) or pair.keys[0] == "env", str(pair)


def test_every_check_of_several_keys_has_a_paragraph_with_two_of_them() -> None:
    missing = []
    for code, rule in catalogue().items():
        reads = {read.removeprefix("all ") for read in rule.reads} & KEYS
        if len(reads) < 2 or code in SINGLE:
            continue
        shown = [pair for pair in PAIRS if any(each.startswith(code) for each in pair.found)]
        if not any(len(reads & set(pair.keys)) >= 2 for pair in shown):
            missing.append((code, sorted(reads)))
    assert missing == []


def filled_in(text: str) -> str:
    """With what is found now in place of each "?"."""
    parts = re.split(r"(\n\s*\n)", text)
    for index, part in enumerate(parts):
        if part.rstrip().endswith("\N{RIGHTWARDS ARROW} ?"):
            (pair,) = pairs(part)
            parts[index] = part.rstrip()[:-1] + (", ".join(found(pair)) or "nothing: ?")
    return "".join(parts)


if __name__ == "__main__":
    TABLE.write_text(filled_in(TABLE.read_text(encoding="utf-8")), encoding="utf-8")
