"""The import arrows of docs/architecture.md: which package of fleet may import which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

VALUES = {"spec", "statedir", "control", "fingerprint"}  # plain values that cross process boundaries

# A name allows itself and everything below it: "config" covers "config.load", "config.model" only the model.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": {"tasks", "broker.delivery", "broker.router"},  # the public names; lazily
    "__main__": {"cli"},
    "spec": set(),
    "statedir": set(),
    "fingerprint": set(),
    "control": {"spec"},
    "machine": set(),
    "protocol": set(),
    "diagnostics": set(),
    "rules": {"config.model", "diagnostics", "machine"},
    "config": {"rules", "diagnostics", "machine", "spec", "statedir"},
    "broker": {"config.model", "protocol", "spec"},
    "tasks": {"broker", "protocol", "config", "diagnostics", "spec"},
    "worker": {"broker", "protocol", "tasks", "spec", "control"},
    "supervisor": {"spec", "statedir"},
    "controller": {"config", "supervisor.client", "broker", "tasks", "diagnostics", "machine", *VALUES},
    "simulation": {
        *("controller.desired", "controller.scaling", "controller.scaling_limits"),
        *("controller.scaling_need", "controller.scaling_slots", "controller.scaling_words"),
        *("config.units", "spec"),
    },
    "cli": {
        *("config", "rules", "diagnostics", "machine", "broker", "tasks", "protocol"),
        *("supervisor", "controller", "simulation", *VALUES),
    },
}

FORBIDDEN_LIBRARIES = {
    "supervisor": {"kombu", "pydantic", "click", "asyncio", "threading", "gevent", "eventlet"},
    "worker": {"pydantic", "supervisor", "click", "uvicorn", "starlette", "watchfiles"},
    "broker": {"pydantic", "supervisor", "click"},
    "rules": {"kombu", "gevent", "eventlet"},
    "config": {"kombu", "gevent", "eventlet"},
}

FILES = sorted((ROOT / "fleet").rglob("*.py"))


def package_of(file: Path) -> str:
    parts = file.relative_to(ROOT / "fleet").parts
    return parts[0].removesuffix(".py")


def imported(file: Path) -> Iterator[str]:
    """Every absolute module name that a file imports, wherever in the file it stands."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            # `from fleet import x` may name a module or a public name: both count as what they name.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed(package: str, module: str) -> bool:
    """`module` is below fleet, without the prefix: "config.load.load"."""
    own_or_public = {package, "__version__"}
    names = MAY_IMPORT[package] | own_or_public
    return any(module == name or module.startswith(f"{name}.") for name in names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_follow_the_arrows(file: Path) -> None:
    package = package_of(file)
    assert package in MAY_IMPORT, f"a new package: say in MAY_IMPORT what {package} may import"
    strays = [
        name
        for name in imported(file)
        if name.startswith("fleet.") and not allowed(package, name.removeprefix("fleet."))
    ]
    assert not strays, f"{package} must not import {strays}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_libraries_stay_where_they_belong(file: Path) -> None:
    banned = FORBIDDEN_LIBRARIES.get(package_of(file), set())
    strays = sorted({name.split(".")[0] for name in imported(file)} & banned)
    assert not strays, f"{package_of(file)} must not import {strays}"


def test_the_arrows_bite(tmp_path: Path) -> None:
    assert not allowed("worker", "config.load.load")
    assert not allowed("rules", "config.load.load")
    assert allowed("rules", "config.model.Fleet")
    stray = tmp_path / "stray.py"
    stray.write_text("def f():\n    from fleet.controller import plan\n")
    assert list(imported(stray)) == ["fleet.controller.plan"]
