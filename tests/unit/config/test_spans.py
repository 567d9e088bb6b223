"""The scanner against tomli: every value that tomli finds stands where the scanner says, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.config.spans import scan
from fleet.rules.finding import KeyPath

TRICKY = {
    "dotted keys": 'a.b.c = 1\na.b."d e" = 2\na . f = 3\n',
    "inline tables": 'a = { b = 1, c = { d = "}" }, "e" = [1, { f = 2 }] }\n',
    "arrays of tables": "[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3\n[[a.e]]\n[[a.e]]\nf = 4\n",
    "multi-line strings": 'a = """\nx\\"""y""\n"""\nb = \'\'\'\n[c]\n\'\'\'\nc = 1\n',
    "five quotes": "a = \"\"\"x\"\"\"\"\"\nb = '''y'''''\nc = \"\"\nd = ''\n",
    "crlf": "[a]\r\nb = 1\r\n# c = 2\r\nc = [\r\n  1,\r\n  2, # two\r\n]\r\n",
    "non-ascii": '"käse" = "日本語 🧀" # ü\n["ö"]\nx = 1\n',
    "tabs": "[\ta\t.\tb\t]\n\tc\t=\t1\t# d\n",
    "dates": "a = 1979-05-27 07:32:00\nb = 1979-05-27T07:32:00Z\nc = [1979-05-27, 07:32:00]\n",
    "comments": 'a = "# no" # yes\nb = [ # one\n 1 # two\n , # three\n]\n',
    "numbers": "a=1_000\nb=-0.5e-3\nc=0xDEAD_beef\nd=inf\ne=-nan\nf=true\n",
    "odd keys": '1 = 1\n"" = 2\n\'a.b\' = 3\n"\\u00e9" = 4\n-_ = 5\n',
    "no newline at the end": "a = 1",
    "header forms": '[ a ]\n[a . b] # c\n["x]"]\ny = 1\n[[ z ]]\n',
    "super tables": "[a.b.c]\nd = 1\n[a]\ne = 2\n",
    "empty": "",
    "crlf in strings": "a = \"\"\"x\r\n y\\\r\n  z\"\"\"\r\nb = '''\r\n'''\r\n[c]\r\n",
    "tables in arrays in tables": "a = [ { b = [ { c = 1 }, { c.d = 2 } ] }, {} ]\n[x]\ny = [[1, [2]], []]\n",
    "dotted keys and headers": "[a]\nb.c.d = 1\nb.e = 2\n[a.f]\ng.h = { i.j = 1, i.k = 2 }\n[[a.l]]\nm.n = 1\n",
    "a byte order mark inside": 'a = "\ufeff"\n"\ufeffb" = 1\n',
    "quotes of all sorts": 'a = """""x"""\nb = """x"""""\n' + "c = '''''x'''''\n",
    "comments without a space": "a=1#b\n[c]#d\n[[e]]#f\n#g",
    "signs and words": "a = +1\nb = -inf\nc = +nan\nd = [true,false]\ne = 1e+3\nf = 0o7\n",
    "wide letters and controls": 'a = "\\u0000\\U0001F600" # \U0001f600\n"\U0001f600" = "\\b"\n',
    "toml 1.1": "a = {\n  b = 1, # one\n  c = 2,\n}\n",
}


def leaves(path: KeyPath, node: Any) -> dict[KeyPath, Any]:
    """Every value in a table or array, by path."""
    found: dict[KeyPath, Any] = {}
    if isinstance(node, dict | list):
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            found[*path, key] = item
            found |= leaves((*path, key), item)
    return found


def agrees(text: str) -> None:
    data, spans = tomli.loads(text), scan(text)
    every = leaves((), data)
    assert set(spans.places) == set(every)
    for path, place in spans.places.items():
        assert place.span is not None
        if place.value:
            parsed = tomli.loads(f"x = {spans.slice(place.value)}")["x"]
            assert repr(parsed) == repr(every[path]), path  # repr: nan is not nan
        elif place.header:
            assert isinstance(every[path], dict)
            assert spans.slice(place.header).startswith("[")
        for key in place.keys:
            name = tomli.loads(f"{spans.slice(key)} = 0")
            assert list(name) == [next(part for part in reversed(path) if isinstance(part, str))]


@pytest.mark.parametrize("shape", TRICKY)
def test_spans_are_found_in_tricky_shapes_of_toml(shape: str) -> None:
    agrees(TRICKY[shape])


KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,3}", fullmatch=True),
    st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\\\"'"), max_size=3).map(
        lambda text: f'"{text}"'
    ),
)
SCALARS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: repr(float(number))),
    st.sampled_from(
        ["true", "1979-05-27", "1979-05-27 07:32:00.5", '"a \\" b"', "'#'", '"""\n"x\\\n y"""', '"é日"']
    ),
)
SPACE = st.sampled_from(["", " ", "\t", "  "])
BREAK = st.sampled_from(["", " ", "\n", ' # c ]}"\n', "\r\n\t"])


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.sampled_from(["scalar", "scalar", "array", "table"])) if depth else "scalar"
    if kind == "scalar":
        return draw(SCALARS)
    if kind == "array":
        items = draw(st.lists(values(depth=depth - 1), max_size=3))
        inner = ",".join(draw(BREAK) + item + draw(BREAK) for item in items)
        return f"[{draw(BREAK)}{inner}{draw(BREAK)}]"
    keys = draw(st.lists(KEYS, max_size=3, unique_by=lambda key: key.strip('"')))
    pairs = [
        f"{draw(SPACE)}{key}{draw(SPACE)}={draw(SPACE)}{draw(values(depth=depth - 1))}{draw(SPACE)}"
        for key in keys
    ]
    return "{" + ",".join(pairs) + draw(SPACE) + "}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines = []
    for _ in range(draw(st.integers(0, 6))):
        key = ".".join(draw(st.lists(KEYS, min_size=1, max_size=3)))
        kind = draw(st.sampled_from(["pair", "pair", "table", "array", "comment"]))
        before, after = draw(SPACE), draw(SPACE)
        line = {
            "pair": f"{key}{before}={after}",
            "table": f"[{before}{key}{after}]",
            "array": f"[[{before}{key}{after}]]",
            "comment": "# [x] = 1",
        }[kind] + (draw(values()) if kind == "pair" else "")
        lines.append(draw(SPACE) + line + draw(st.sampled_from(["\n", "\r\n", " # x\n", "\n\n"])))
    return "".join(lines)


@settings(max_examples=400, deadline=None)
@given(documents())
def test_every_key_of_any_document_has_its_span(text: str) -> None:
    try:
        tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    agrees(text)


def test_comments_are_found_and_strings_are_not() -> None:
    spans = scan('a = "# no" # one\r\n# two\n')
    assert [(c.text, c.span.line, c.span.column) for c in spans.comments] == [
        ("# one", 1, 12),
        ("# two", 2, 1),
    ]
