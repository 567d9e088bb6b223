"""Modules of fleet that strings and pages name: neither mypy nor an import tells when they are gone.

Scripts that tests and benchmarks run in other processes, what mock and `python -m` are given, what pages speak of.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support import ROOT

_DOTTED = re.compile(r"(?<![\w./@-])fleet(?:\.[A-Za-z_]\w*){2,}")
_IMPORTED = re.compile(r"^\s*from (fleet(?:\.\w+)*) import (?:\(([^)]*)\)|([^\n(;]*))", re.MULTILINE)
_NO_MODULES = (
    "fleet.delay.",
    "fleet.schema.json",
    "fleet.celery.limits",
)  # queues, a file, a context variable
_SOURCES = [
    file
    for folder in ("benchmarks", "examples", "fleet", "scripts", "tests")
    for file in sorted((ROOT / folder).rglob("*.py"))
    if file != Path(__file__)
]
_PAGES = [page for place in (".", "docs", "examples") for page in sorted((ROOT / place).glob("*.md"))]


def _strings(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _named(text: str) -> Iterator[str]:
    for name in _DOTTED.findall(text):
        if not name.startswith(_NO_MODULES):
            yield name
    for module, several, one in _IMPORTED.findall(text):
        for name in re.split(r"[,\s]+", re.sub(r"#.*| as \w+", "", several or one)):
            if name.isidentifier():
                yield f"{module}.{name}"


def _is_there(dotted: str) -> bool:
    """Whether it leads to a module, or to something that one assigns, defines or imports."""
    place = ROOT / "fleet"
    for part in dotted.split(".")[1:]:
        if (place / part).is_dir():
            place /= part
        elif (place / f"{part}.py").exists():
            place /= f"{part}.py"
        else:
            return part in _names_in(place / "__init__.py" if place.is_dir() else place)
    return True


@cache
def _names_in(file: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text()) if file.exists() else ast.Module([], [])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Constant) and file.name == "__init__.py":
            names.add(str(node.value))  # tables of names that are imported when they are asked for
    return frozenset(names)


def test_what_strings_name_is_there() -> None:
    gone = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in _SOURCES
        for line, text in _strings(file)
        for name in _named(text)
        if not _is_there(name)
    ]
    assert gone == []


def test_what_pages_name_is_there() -> None:
    gone = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in _PAGES
        for name in _named(page.read_text())
        if not _is_there(name)
    ]
    assert gone == []


_DEVELOPERS_PAGES = [*_PAGES, *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
_FILE = re.compile(r"`([\w/.-]+\.py|(?:fleet|tests|scripts|benchmarks|docs)(?:/[\w.-]+)+/?)`")


def _is_a_file(name: str) -> bool:
    """By its whole path, or by the end of one: pages leave out the room that they are about."""
    if (ROOT / name).exists() or list(ROOT.glob(f"{name}-*.md")):
        return True
    return any(file.as_posix().endswith(f"/{name}") for file in _SOURCES)


def test_files_that_pages_name_are_there() -> None:
    gone = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in _DEVELOPERS_PAGES
        for name in _FILE.findall(page.read_text())
        if not _is_a_file(name)
    ]
    assert gone == []


def test_a_file_that_is_gone_is_found() -> None:
    assert not _is_a_file("worker/warden.py")
    assert not _is_a_file("fleet/controller/brain.py")
    assert _is_a_file("worker/watchdog.py")
    assert _is_a_file("docs/decisions/0086")


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nfrom fleet.broker.transports import sqlite_file\n",
        "from fleet.broker.sqlite import (\n    file,  # there\n    files,\n)",
        "fleet.lint.cli",
        "python -m fleet.workers.zygote",
        "see `fleet.broker.open.shut`",
    ],
)
def test_a_name_that_is_gone_is_found(text: str) -> None:
    assert [name for name in _named(text) if not _is_there(name)]


@pytest.mark.parametrize(
    "text",
    [
        "from fleet.broker.sqlite import file as sqlite_file; from elsewhere import this",
        "from fleet import task, Retry",
        "fleet.broker.kombu_transport.aliases",
        "fleet.broker.redis.RedisStore",
        "the queue fleet.delay.classic.500ms of fleet.toml, example.com/fleet.old.txt",
    ],
)
def test_a_name_that_is_there_is_not(text: str) -> None:
    assert [name for name in _named(text) if not _is_there(name)] == []
