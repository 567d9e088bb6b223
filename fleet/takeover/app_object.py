"""The object that `-A proj` means, looked up in the project's files by Celery's order, without importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_NAMES = ("app", "celery")  # Celery asks for these first


class AppObject(NamedTuple):
    """The entry for `[fleet] app`."""

    entry: str
    known: bool
    """Whether the files say so; else it is where most projects have it."""
    folder: Path | None = None
    """Where the module was found."""


def find(name: str, folders: list[Path]) -> AppObject:
    """`name` is what -A says: "proj", "proj.celery", "proj.celery:app", "proj.celery.app"."""
    module, colon, attribute = name.partition(":")
    if colon:
        where = next((folder for folder in folders if _file(module, folder)), None)
        return AppObject(f"{module}:{attribute}", known=True, folder=where)
    for folder in folders:
        found = _in_module(module, folder, usual=True) or _in_module(f"{module}.celery", folder)
        if found := found or _in_module(module, folder) or _in_parent(module, folder):
            return AppObject(found, known=True, folder=folder)
    is_module = "." in module or "celery" in module
    return AppObject(f"{module}:app" if is_module else f"{module}.celery:app", known=False)


def _in_module(module: str, folder: Path, *, usual: bool = False) -> str | None:
    """MODULE:NAME of the app that it binds; `usual`: to the name app or celery."""
    file = _file(module, folder)
    # `from .celery import app` is as good as its own; any other object of that name (a Flask app) is not.
    made = [name for name, is_celery in _objects(file) if is_celery] if file else []
    found = next((name for name in _NAMES if name in made), None) or (
        None if usual else next(iter(made), None)
    )
    return f"{module}:{found}" if found else None


def _in_parent(module: str, folder: Path) -> str | None:
    """`-A proj.app`: an object in proj."""
    parent, _, name = module.rpartition(".")
    file = _file(parent, folder) if parent else None
    return f"{parent}:{name}" if file and name in dict(_objects(file)) else None


def _file(module: str, folder: Path) -> Path | None:
    path = folder.joinpath(*module.split("."))
    for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _objects(file: Path) -> Iterator[tuple[str, bool]]:
    """(name, whether it is surely a Celery app) of what the module binds at its top."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, _makes_celery(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, _makes_celery(node.value)
        elif (
            isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] == "celery" and node.level
        ):
            for alias in node.names:
                yield alias.asname or alias.name, alias.name in _NAMES


def _makes_celery(value: ast.expr) -> bool:
    """`Celery(…)`, `celery.Celery(…)`, `make_celery(…)`, `app.extensions["celery"]`."""
    if isinstance(value, ast.Call):
        called = value.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return "celery" in name.lower()
    return isinstance(value, ast.Subscript) and getattr(value.slice, "value", None) == "celery"
