"""FLT002 against the standard library's parser, which knows TOML 1.0 only: it is found where that one fails."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.config.fix import mend
from fleet.config.load import Loaded
from fleet.config.parse import Parsed, parse
from fleet.config.positions import locate
from fleet.config.source import Source, from_bytes
from fleet.config.toml11 import newer_syntax
from fleet.rules import catalogue

KEY = st.sampled_from(["a", "b", "c", '"d.e"', "f.g", '"\\u00e9"', '"\\x41"', '"#"'])
STRING = st.sampled_from(
    ['"x"', '"\\e"', '"\\\\e \\x41"', "'\\e\\x41'", '"""\n\\e, }"""', '"# }"', '"\\u001B"', "'''\n,'''"]
)
MOMENT = st.sampled_from(["07:32", "07:32:00", "2026-01-01 07:32", "2026-01-01T07:32Z", "2026-01-01"])
BREAK = st.sampled_from(["", "", " ", "\n", "\r\n  "])
COMMENT = st.sampled_from(["", "", "", " # c, }\n"])


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.sampled_from(["scalar", "scalar", "array", "table"])) if depth else "scalar"
    if kind == "scalar":
        return draw(st.one_of(STRING, MOMENT, st.just("1")))
    if kind == "array":
        items = draw(st.lists(values(depth=depth - 1), max_size=2))
        return (
            "["
            + draw(BREAK)
            + ",".join(draw(BREAK) + item for item in items)
            + draw(COMMENT)
            + draw(BREAK)
            + "]"
        )
    keys = draw(st.lists(KEY, max_size=3, unique=True))
    pairs = [f"{draw(BREAK)}{key} = {draw(values(depth=depth - 1))}{draw(COMMENT)}" for key in keys]
    comma = draw(st.sampled_from(["", ","])) if pairs else ""
    return "{" + ",".join(pairs) + comma + draw(COMMENT) + draw(BREAK) + "}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    keys = draw(st.lists(KEY, min_size=1, max_size=3, unique=True))
    return "[t]\n" + "".join(f"{key} = {draw(values())}\n" for key in keys)


def look(source: Source) -> Loaded:
    parsed = parse(source)
    assert isinstance(parsed, Parsed)
    found = [
        locate(each, catalogue()[each.code], parsed.spans, parsed.document)
        for each in newer_syntax(parsed.spans)
    ]
    return Loaded(source, None, tuple(found))


def is_toml_1_0(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


@pytest.mark.skipif(is_toml_1_0("a = {\n}"), reason="this Python's tomllib knows TOML 1.1")
@settings(max_examples=400, deadline=None)
@given(documents())
def test_toml_1_1_is_found_exactly_where_a_parser_of_1_0_fails(text: str) -> None:
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    found = look(from_bytes(text.encode(), Path("fleet.toml")))
    assert bool(found.diagnostics) != is_toml_1_0(text)
    mended = mend(found.source, look, unsafe=False)
    assert tomli.loads(mended.text) == data
    if not mended.left.diagnostics:
        assert is_toml_1_0(mended.text)
    for each in mended.left.diagnostics:
        assert "# c, }" in text, f"only a comment keeps {each.message} from being mended"
