"""Fixes on the text: what they leave alone, that they end, and that a rule's own fix does what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.config.edits import edits
from fleet.config.fix import Fixed, apply, mend
from fleet.config.load import Loaded
from fleet.config.parse import Parsed, parse
from fleet.config.source import Source, from_bytes
from fleet.diagnostics import Diagnostic, Edit, Fix, Span
from fleet.rules import catalogue
from fleet.rules.finding import Drop, Rename, Step
from tests.unit.rules.fixtures import CODES, FOLDER, body, examine_text

WITH_FIXES = [
    code
    for code in CODES
    if any(each.fix for each in examine_text((FOLDER / code / "bad.toml").read_text(), Path("f")).diagnostics)
]


def mended(text: str, *, unsafe: bool = False) -> Fixed:
    source = from_bytes(text.encode(), Path("fleet.toml"))
    return mend(source, lambda source: examine_text(source.text, source.path), unsafe=unsafe)


def test_rules_offer_the_fixes_that_the_catalogue_promises() -> None:
    assert [code for code, rule in catalogue().items() if rule.fix] == WITH_FIXES


@pytest.mark.parametrize("code", WITH_FIXES)
def test_a_fixed_file_no_longer_has_what_was_fixed(code: str) -> None:
    text = body((FOLDER / code / "bad.toml").read_text())
    fixed = mended(text, unsafe=True)
    before = examine_text(text, Path("fleet.toml")).diagnostics
    assert fixed.count >= sum(1 for each in before if each.fix)
    tomli.loads(fixed.text)
    left = [each for each in fixed.left.diagnostics if each.code == code]
    assert len(left) == sum(1 for each in before if each.code == code and not each.fix), left
    again = mended(fixed.text, unsafe=True)
    assert (again.text, again.count) == (fixed.text, 0)


@pytest.mark.parametrize("code", WITH_FIXES)
def test_only_what_is_safe_is_done_without_unsafe(code: str) -> None:
    text = body((FOLDER / code / "bad.toml").read_text())
    fixed = mended(text)
    assert not any(each.fix and each.fix.safe for each in fixed.left.diagnostics)
    before = examine_text(text, Path("fleet.toml")).diagnostics
    if not any(each.fix and each.fix.safe for each in before):
        assert fixed.text == text
        assert fixed.waiting_for_unsafe() > 0


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_comments_order_and_line_ends_stay(ending: str) -> None:
    lines = (
        "# the shop",
        "[fleet]",
        'app = "shop" # ours',
        "[queues.q]",
        "[[routes]]",
        "task =   '*'",
        'queue="q"',
        "",
        "\t[workers.q]   # indented",
        '\tpol = "prefrok" # 日本',
        '\tqueues = [ "q" ]',
        "\tconcurency = '2'",
        "",
    )
    text = ending.join(lines)
    fixed = mended(text)
    wanted = (
        text.replace("pol ", "pool ")
        .replace("prefrok", "prefork")
        .replace("concurency = '2'", "concurrency = 2")
    )
    assert fixed.text == wanted
    assert fixed.count == 4


def a_finding(*cuts: tuple[int, int, str]) -> Diagnostic:
    """`cuts`: (start, end) of what one line's characters give way to a text."""
    parts = tuple(Edit(Span(1, start + 1, 1, end + 1), text) for start, end, text in cuts)
    return Diagnostic("FLT999", "x", "error", "m", "", Span(1, 1, 1, 1), fix=Fix(True, parts))


def looking(find: Callable[[str], list[Diagnostic]]) -> Callable[[Source], Loaded]:
    return lambda source: Loaded(source, None, tuple(find(source.text)))


LINE = 'a = "abcdef"'


def test_overlapping_fixes_take_turns() -> None:
    def find(text: str) -> list[Diagnostic]:
        wrong = [a_finding((at, at + 2, "--")) for at in range(5, 10) if text[at : at + 2].isalpha()]
        return wrong + [a_finding((at, at + 1, "-")) for at in range(5, 11) if text[at].isalpha()]

    fixed = mend(Source(Path("f"), LINE), looking(find), unsafe=False)
    assert fixed.text == 'a = "------"'
    assert fixed.left.diagnostics == ()


def test_two_insertions_at_one_place_take_turns_too() -> None:
    def find(text: str) -> list[Diagnostic]:
        return [a_finding((5, 5, letter)) for letter in "XY" if letter not in text]

    assert mend(Source(Path("f"), LINE), looking(find), unsafe=False).text == 'a = "YXabcdef"'


def test_a_fix_is_made_as_a_whole_or_not_at_all() -> None:
    both = a_finding((5, 6, "X"), (9, 10, "Y"))
    other = a_finding((9, 10, "Z"))

    def find(text: str) -> list[Diagnostic]:
        return [other, both] if text == LINE else []

    assert mend(Source(Path("f"), LINE), looking(find), unsafe=False).text == 'a = "abcdZf"'


def test_fixes_that_undo_each_other_end() -> None:
    def find(text: str) -> list[Diagnostic]:
        return [a_finding((5, 6, "b" if text[5] == "a" else "a"))]

    assert mend(Source(Path("f"), LINE), looking(find), unsafe=False).count == 1


def test_a_fix_that_breaks_the_text_is_not_made_and_takes_no_other_with_it() -> None:
    def find(text: str) -> list[Diagnostic]:
        return [a_finding((4, 5, "")), *([a_finding((5, 6, "X"))] if text[5] == "a" else [])]

    fixed = mend(Source(Path("f"), LINE), looking(find), unsafe=False)
    assert (fixed.text, fixed.count) == ('a = "Xbcdef"', 1)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.text("xyz", max_size=3)), max_size=6))
def test_apply_puts_each_text_where_it_belongs(cuts: list[tuple[int, int, str]]) -> None:
    """Against doing it from the end backwards, one by one."""
    chosen: list[tuple[int, int, str]] = []
    for start, length, text in sorted(cuts, key=lambda cut: cut[:2]):
        end = min(start + length, len(LINE))
        if not chosen or start >= max(chosen[-1][1], chosen[-1][0] + 1):
            chosen.append((start, end, text))
    wanted = LINE
    for start, end, text in reversed(chosen):
        wanted = wanted[:start] + text + wanted[end:]
    assert apply([fix for cut in chosen if (fix := a_finding(cut).fix)], LINE) == wanted


@pytest.mark.parametrize(
    ("text", "path", "left"),
    [
        ("a = 1\nb = 2 # x\nc = 3\n", ("b",), "a = 1\nc = 3\n"),
        ("a = 1\nb = [\n1,\n]\n", ("b",), "a = 1\n"),
        ("a = 1\nb = 2 # x", ("b",), "a = 1\n"),
        ('a = [1, "x", 3] # c\n', ("a", 1), "a = [1, 3] # c\n"),
        ("a = [1, 2]\n", ("a", 0), "a = [2]\n"),
        ("a = [1, 2]\n", ("a", 1), "a = [1]\n"),
        ("a = [ 1 ]\n", ("a", 0), "a = [  ]\n"),
        ("a = { x = 1, y = [2, 3], z = 4 }\n", ("a", "y"), "a = { x = 1, z = 4 }\n"),
        ("[[r]]\na = 1\n\n# two\n[[r]]\na = 2\n\n[x]\n", ("r", 1), "[[r]]\na = 1\n\n# two\n[x]\n"),
        ("[[r]]\na = 1\n[r.s]\nb = 1\n[x]\n", ("r", 0), "[x]\n"),
        ("[x]\na = 1\n[y]\nb = 1", ("y",), "[x]\na = 1\n"),
    ],
)
def test_a_fix_that_drops_a_key_takes_its_line(text: str, path: tuple[str | int, ...], left: str) -> None:
    assert applied(text, Drop(path)) == left


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a = { x.y = 1, z = 2 }\n", ("a", "z")),  # where x.y begins is not known
        ("a = [\n1, # one\n2]\n", ("a", 0)),  # the comment would go
        ("[x]\na = 1\n[y]\n[x.z]\nb = 1\n", ("x",)),  # in two pieces
        ("a = 1\n", ("b",)),
    ],
)
def test_what_has_no_exact_form_is_not_dropped(text: str, path: tuple[str | int, ...]) -> None:
    assert applied(text, Drop(path)) is None


@pytest.mark.parametrize(
    ("text", "path", "renamed"),
    [
        ("pol = 1\n", ("pol",), "pool = 1\n"),
        ("[w.a]\npol = 1\n[w.b]\npool = 2\n", ("w", "a", "pol"), "[w.a]\npool = 1\n[w.b]\npool = 2\n"),
        ("[pol.a]\nx = 1\n[pool.b]\nx = 1\n", ("pol",), "[pool.a]\nx = 1\n[pool.b]\nx = 1\n"),
        ("pol = 1\npool = 2\n", ("pol",), None),
        ("pol.a = 1\npool.a = 2\n", ("pol",), None),
        ("[pol.a]\nx = 1\n[pool.a]\ny = 1\n", ("pol",), None),
        ("[pol]\nx = 1\n[pool]\ny = 1\n", ("pol",), None),
    ],
)
def test_renaming_never_makes_two_of_one(text: str, path: tuple[str | int, ...], renamed: str | None) -> None:
    assert applied(text, Rename(path, "pool")) == renamed


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_is_wrong_mending_ends_and_leaves_toml(data: st.DataObject) -> None:
    lines = EVERYTHING.splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(lines) - 1))
        key, equals, value = lines[at].partition("=")
        match data.draw(st.sampled_from(["drop", "double", "key", "value", "quote"])):
            case "drop":
                lines[at] = "\n"
            case "double":
                lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines[at])
            case "key" if equals:
                lines[at] = f"{key.strip()[:-1]}{equals}{value}"
            case "value" if equals:
                lines[at] = (
                    f'{key}{equals} "{data.draw(st.sampled_from(["5 mins", "true", "gevnt", "7"]))}"\n'
                )
            case "quote" if equals and '"' not in value:
                lines[at] = f'{key}{equals} "{value.strip()}"\n'
    text = "".join(lines)
    fixed = mended(text, unsafe=True)
    try:
        tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    tomli.loads(fixed.text)
    again = mended(fixed.text, unsafe=True)
    assert (again.text, again.count) == (fixed.text, 0)


EVERYTHING = (Path(__file__).parent / "everything.toml").read_text(encoding="utf-8")


def applied(text: str, step: Step) -> str | None:
    parsed = parse(from_bytes(b"", Path("f"))._replace(text=text))
    assert isinstance(parsed, Parsed)
    made = edits((step,), parsed.spans, parsed.document)
    return apply([Fix(True, made)], text) if made else None


def test_a_route_moves_above_the_one_that_took_its_tasks_with_its_comments() -> None:
    rest = '# All the rest.\n[[routes]]\ntask = "*"\nqueue = "q"\n'
    special = '# Pictures.\n[[routes]]  # compute\ntask = "x.images.*"\nqueue = "q"\n'
    head = '[fleet]\napp = "x"\n[queues.q]\nworkload = "io"\n\n'
    tail = '[workers.q]\nqueues = ["q"]\npool = "threads"\nconcurrency = 4\n'
    assert mended(f"{head}{rest}\n{special}\n{tail}", unsafe=True).text == f"{head}{special}\n{rest}\n{tail}"
