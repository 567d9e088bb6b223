"""`--fix` over every bad file there is: it finds less afterwards, nothing new, and nothing more to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.fix import Fixed, mend
from fleet.config.load import Loaded
from fleet.config.source import Source, from_bytes
from tests.unit.rules.fixtures import FOLDER, body, examine_text
from tests.validate.test_contradictions import PAIRS, Pair
from tests.validate.test_contradictions import file as of_pair
from tests.validate.test_values import VALUES, keys
from tests.validate.test_values import text as with_value

TESTS = FOLDER.parent
BAD = sorted(
    [
        *FOLDER.glob("*/bad.toml"),
        *TESTS.glob("validate/expected/*.toml"),
        *TESTS.glob("unit/rules/newcomers/*.toml"),
        TESTS / "unit" / "config" / "thirty.toml",
    ]
)

BESIDE = TESTS / "validate" / "fleet.toml"


def look(source: Source) -> Loaded:
    return examine_text(source.text, source.path)


def mended(text: str, path: Path, *, unsafe: bool) -> Fixed:
    return mend(from_bytes(text.encode(), path), look, unsafe=unsafe)


def kinds(loaded: Loaded, severity: str | None = None) -> list[str]:
    return sorted(each.code for each in loaded.diagnostics if severity in (None, each.severity))


def files(path: Path) -> str:
    return body(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_safe_fixes_find_less_and_nothing_new(path: Path) -> None:
    fix_safely(files(path), path)


@pytest.mark.parametrize("path", BAD, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_guesses_bring_no_error(path: Path) -> None:
    fix_by_guesses(files(path), path)


@pytest.mark.parametrize(("table", "key"), keys(), ids=lambda part: part)
def test_fixes_of_a_key_do_no_harm_whatever_its_value(table: str, key: str) -> None:
    for value in VALUES.values():
        text = with_value(table, key, value)
        fix_safely(text, BESIDE)
        fix_by_guesses(text, BESIDE)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_fixes_of_a_contradiction_do_no_harm(pair: Pair) -> None:
    fix_safely(of_pair(pair.lines), BESIDE)
    fix_by_guesses(of_pair(pair.lines), BESIDE)


def fix_safely(text: str, path: Path) -> None:
    before = look(from_bytes(text.encode(), path))
    fixed = mended(text, path, unsafe=False)
    after = kinds(fixed.left)
    assert all(after.count(code) <= kinds(before).count(code) for code in set(after))
    assert len(after) <= len(before.diagnostics) - (1 if fixed.text != text else 0)
    again = mended(fixed.text, path, unsafe=False)
    assert (again.text, again.count) == (fixed.text, 0)


def fix_by_guesses(text: str, path: Path) -> None:
    before = look(from_bytes(text.encode(), path))
    fixed = mended(text, path, unsafe=True)
    errors = kinds(fixed.left, "error")
    assert all(errors.count(code) <= kinds(before, "error").count(code) for code in set(errors))
    again = mended(fixed.text, path, unsafe=True)
    assert (again.text, again.count) == (fixed.text, 0)


SHARED = """[fleet]
app = "a"
[queues.io]
workload = "io"
[defaults]
{defaults}
[[routes]]
task = "*"
queue = "io"
[workers.io]
queues = ["io"]
pool = "gevent"
[workers.other]
queues = ["io"]
{other}
"""


@pytest.mark.parametrize("unsafe", [False, True])
@pytest.mark.parametrize(
    ("defaults", "other"),
    [
        ("concurrency = 100", 'pool = "solo"'),
        ("concurrency = 100\nprefetch = 50", 'pool = "gevent"\nconcurrency = 200'),
        ("concurrency = 100\nreplicas = 2", 'pool = "gevent"\nsingleton = true'),
    ],
)
def test_what_others_inherit_is_left_alone(defaults: str, other: str, *, unsafe: bool) -> None:
    text = SHARED.format(defaults=defaults, other=other)
    fixed = mended(text, Path("fleet.toml"), unsafe=unsafe)
    assert f"[defaults]\n{defaults}\n" in fixed.text
