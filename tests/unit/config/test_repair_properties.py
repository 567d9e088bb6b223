"""Whatever is in the file: no crash, no span outside it, and no fleet with an error."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.config.document import Document
from fleet.config.layers import apply_defaults
from fleet.config.load import check
from fleet.config.mistakes import mistakes
from fleet.config.model import Fleet
from fleet.config.parse import Parsed, parse
from fleet.config.source import Source, from_bytes
from fleet.diagnostics import jsonform
from fleet.diagnostics.text import Style, render
from tests.unit.rules.fixtures import a_machine

EVERYTHING = (Path(__file__).parent / "everything.toml").read_text(encoding="utf-8")
LINES = EVERYTHING.splitlines(keepends=True)
VALUES = [
    "3",
    "-1",
    '""',
    '"x"',
    "true",
    "[]",
    "{}",
    "[1, {}]",
    "{ a = 1 }",
    '"${NONE}"',
    "1979-05-27",
    "0.5",
    "inf",
]


def inspect(text: str) -> None:
    source = from_bytes(text.encode(), Path("fleet.toml"))
    agree(source)
    loaded = check(source, environ={}, machine=a_machine())
    lines = source.text.split("\n")
    for each in loaded.diagnostics:
        edits = each.fix.edits if each.fix else ()
        for span in (each.span, *(mark.span for mark in each.related), *(edit.span for edit in edits)):
            # A parser gives up one column behind the end of a line.
            behind = 2 if each.code == "FLT001" else 1
            assert 1 <= span.line <= span.end_line <= len(lines)
            assert 1 <= span.column <= len(lines[span.line - 1]) + behind
            assert 1 <= span.end_column <= len(lines[span.end_line - 1]) + behind
            assert (span.line, span.column) <= (span.end_line, span.end_column)
    assert loaded.ok == all(each.severity != "error" for each in loaded.diagnostics)
    assert list(loaded.diagnostics) == sorted(loaded.diagnostics, key=lambda each: each.span)
    render(loaded.diagnostics, source.text, "fleet.toml", Style(width=80, colour=True))
    jsonform.render(loaded.diagnostics, "fleet.toml")


def agree(source: Source) -> None:
    """The models read what pydantic has nothing to say against, and that alone."""
    parsed = parse(source)
    if isinstance(parsed, Parsed):
        apply_defaults(parsed.document)
        assert reads(parsed.document.data) == (not mistakes(parsed.document.data))


def reads(data: object) -> bool:
    try:
        Fleet.read(data)
    except ValueError:
        return False
    return True


def places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield from places(node[key], (*path, key))


def test_models_and_pydantic_agree_on_any_value_anywhere() -> None:
    data = tomli.loads(EVERYTHING)
    values = [tomli.loads(f"x = {value}")["x"] for value in [*VALUES, "0", "256", "1.0", '"30s"', '"cpus"']]
    told = set()
    for path in list(places(data))[1:]:
        for value in values:
            document = Document(copy.deepcopy(data))
            document.put(path, value)
            told.add(reads(document.data))
            assert reads(document.data) == (not mistakes(document.data)), (path, value)
    assert told == {True, False}


def test_the_whole_of_the_contract_is_clean(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LANG=C\n")
    (tmp_path / ".env").chmod(0o600)
    loaded = check(from_bytes(EVERYTHING.encode(), tmp_path / "fleet.toml"), environ={}, machine=a_machine())
    assert [each.message for each in loaded.diagnostics] == []


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_line_lost_doubled_or_moved(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "double", "move"])):
            case "drop":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "move":
                lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines.pop(at))
    inspect("".join(lines))


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_wrong_values_and_names_are_found_without_hiding_each_other(data: st.DataObject) -> None:
    lines = list(LINES)
    pairs = [index for index, line in enumerate(lines) if "=" in line and not line.startswith(("#", "["))]
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.sampled_from(pairs))
        key, _, value = lines[at].partition("=")
        if data.draw(st.booleans()):
            value = data.draw(st.sampled_from(VALUES)) + "\n"
        else:
            key = data.draw(st.sampled_from([key[1:], key.strip() + "x", key.upper(), '"ä ö"', "env"]))
        lines[at] = f"{key} = {value.strip()}\n"
    text = "".join(lines)
    inspect(text)


THIRTY = (Path(__file__).parent / "thirty.toml").read_text(encoding="utf-8")
PIECES = [
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    ".",
    '"',
    "'''",
    "\n",
    "\r\n",
    "\t",
    "#",
    "\ufeff",
    "é",
    "日",
    "[[routes]]\n",
    "a.b",
]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_pieces_of_toml_cut_out_of_and_put_into_wrong_files(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([EVERYTHING, THIRTY]))
    if data.draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text = (
            text[:at] + data.draw(st.sampled_from(["", *PIECES])) + text[at + data.draw(st.integers(0, 30)) :]
        )
    inspect(text)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(EVERYTHING) - 1), st.text(max_size=3))
def test_a_letter_typed_anywhere_never_raises(at: int, typed: str) -> None:
    inspect(EVERYTHING[:at] + typed.encode("utf-8", "replace").decode() + EVERYTHING[at + 1 :])
