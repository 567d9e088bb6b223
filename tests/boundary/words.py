"""`python words.py CODE`: as JSON, what other processes know by name of the checkout CODE, by its own interpreter."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

WORDS = {"headers": re.compile(r"x-fleet-[a-z-]+"), "variables": re.compile(r"FLEET_[A-Z_]*[A-Z]")}
KEYS = [f"fleet.broker.{folder}redis.keys" for folder in ("", "transports.")]


def words(code: Path) -> dict[str, Any]:
    trees = [ast.parse(file.read_text()) for file in sorted((code / "fleet").rglob("*.py"))]
    return {
        **{name: sorted(set(_said(trees, pattern))) for name, pattern in WORDS.items()},
        "specs": dict(_specs(trees)),
        "exit codes of commands": _codes("fleet.cli.exits"),
        "exit codes of workers": _codes("fleet.launch_specs", "fleet.spec"),
        "state directory": _names_in_state_directory(),
        "redis keys": _redis_keys(),
    }


def _said(trees: list[ast.Module], pattern: re.Pattern[str]) -> Iterator[str]:
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
                yield from pattern.findall(text)


def _specs(trees: list[ast.Module]) -> Iterator[tuple[str, list[str]]]:
    """With "?" what may be left out."""
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and "Spec" in map(ast.unparse, node.bases):
                fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
                yield (
                    node.name,
                    [ast.unparse(each.target) + "?" * (each.value is not None) for each in fields],
                )


def _codes(*modules: str) -> dict[str, int]:
    values: dict[str, int] = vars(_first_of(modules).Exit)
    return {name: code for name, code in values.items() if name.isupper()}


def _names_in_state_directory() -> list[str]:
    of = importlib.import_module("fleet.statedir").StateDir
    state = of(Path("/s"))
    names = [name for name, value in vars(of).items() if isinstance(value, property)]
    return sorted(str(getattr(state, name).relative_to("/s")) for name in names if not name.startswith("_"))


def _redis_keys() -> list[str]:
    of = _first_of(KEYS).Keys
    keys = of(separator=":")
    names = [name for name, value in vars(of).items() if isinstance(value, property)]
    made = [keys.ready("Q", 3), keys.claims("OWNER", "Q"), keys.moved("OWNER", "Q", 0), keys.bindings("E")]
    return sorted([*(getattr(keys, name) for name in names), *made])


def _first_of(modules: Sequence[str]) -> Any:
    for name in modules[:-1]:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            pass
    return importlib.import_module(modules[-1])


if __name__ == "__main__":
    print(json.dumps(words(Path(sys.argv[1]))))
