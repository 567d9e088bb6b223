"""What can be read off the source: words that other processes, older versions and other people's programs know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fleet.broker.redis.keys import Keys
from fleet.broker.topology import delay_queue, due_queue, suspects_queue
from fleet.cli.exits import Exit as CommandExit
from fleet.launch_specs import Exit as WorkerExit
from fleet.program_labels import CONTROLLER, WorkerLabels
from fleet.statedir import StateDir
from tests.support import ROOT

SOURCES = sorted((ROOT / "fleet").rglob("*.py"))
WORDS = {
    "headers": re.compile(r"x-fleet-[a-z-]+"),
    "variables": re.compile(r"FLEET_[A-Z_]*[A-Z]"),
}


def static() -> dict[str, Any]:
    return {
        **{name: sorted(set(_said(pattern))) for name, pattern in WORDS.items()},
        "queues and exchanges": [delay_queue(1000), due_queue("Q"), suspects_queue("Q")],
        "redis keys": _redis_keys(),
        "exit codes of commands": _codes(CommandExit),
        "exit codes of workers": _codes(WorkerExit),
        "labels": [sorted(CONTROLLER), list(WorkerLabels("", 0, 0, "", "").to_dict())],
        "state directory": _names_in_state_directory(),
        "specs": dict(_specs()),
    }


def _said(pattern: re.Pattern[str]) -> Iterator[str]:
    """Whole words of string constants, wherever they stand; docstrings speak of them, too, and count as little else."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
                yield from pattern.findall(text)


def _codes(holder: type) -> dict[str, int]:
    return {name: code for name, code in vars(holder).items() if name.isupper()}


def _redis_keys() -> list[str]:
    keys = Keys(separator=":")
    names = [name for name, value in vars(Keys).items() if isinstance(value, property)]
    return sorted(
        [*(getattr(keys, name) for name in names), keys.claims("OWNER", "Q"), keys.moved("OWNER", "Q", 0)]
    )


def _names_in_state_directory() -> list[str]:
    state = StateDir(Path("/s"))
    names = [name for name, value in vars(StateDir).items() if isinstance(value, property)]
    return sorted(str(getattr(state, name).relative_to("/s")) for name in names if not name.startswith("_"))


def _specs() -> Iterator[tuple[str, list[str]]]:
    """Of each Spec its fields, with "?" those that may be left out; some can't be imported here."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and "Spec" in map(ast.unparse, node.bases):
                yield node.name, list(_fields(node))


def _fields(of: ast.ClassDef) -> Iterator[str]:
    for node in of.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id + ("?" if node.value is not None else "")
