"""The import arrows of docs/architecture.md: which package of fleet may import which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

VALUES = {  # plain values and facts that several processes go by
    *(
        "spec",
        "launch_specs",
        "statedir",
        "control",
        "fingerprint",
        "visible",
        "peers",
        "instance",
        "portable",
        "host_labels",
        "host_identity",
        "pulse",
        "fleet_state",
    ),
    *("working_folder", "running_supervisors", "release_link", "private_files", "early_signals"),
    *("telemetry", "histogram"),
    *("program_labels", "slot_names", "duration_words"),
}

# A name allows itself and everything below it: "config" covers "config.load", "config.model" only the model.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": {"tasks", "broker.delivery", "broker.router"},  # the public names; lazily
    "__main__": {"cli"},
    "spec": set(),
    "launch_specs": {"spec", "slot_names", "pool_slots"},
    "pool_slots": set(),
    "slot_names": set(),
    "duration_words": set(),
    "prctl": set(),
    "program_labels": {"slot_names"},
    "statedir": set(),
    "fingerprint": {"working_folder"},
    "working_folder": set(),
    "running_supervisors": set(),
    "private_files": set(),
    "early_signals": set(),
    "instance": set(),
    "host_labels": set(),
    "host_identity": set(),
    "pulse": set(),
    "portable": {"spec", "launch_specs"},
    "fleet_state": {"spec", "launch_specs", "portable"},
    "release_link": {"statedir"},
    "visible": set(),
    "peers": set(),
    "control": {"spec", "launch_specs"},
    "machine": set(),
    "protocol": set(),
    "broker_url": {"secret_names"},
    "clock": set(),
    "histogram": set(),
    "otlp": set(),
    "telemetry": {"histogram"},
    "secret_names": set(),
    "token_lines": set(),
    "masked_values": {"secret_names", "diagnostics.masking"},
    "diagnostics": {"broker_url", "secret_names"},
    "schedules": {"spec", "launch_specs", "protocol"},  # pure: everybody who asks when something fires
    # What a supervised process of its own needs to publish, and to remember that it has.
    "scheduler": {
        "broker",
        "protocol",
        "schedules",
        "spec",
        "launch_specs",
        "tasks",
        "visible",
        "instance",
        "prctl",
    },
    "rules": {
        *("config.model", "config.envfile", "config.toml", "diagnostics", "machine", "broker_url"),
        *("schedules.moments", "advice", "histogram", "working_folder", "secret_names"),
        *("host_labels", "token_lines"),
    },
    # A client of the controller's socket, and of the broker for what has failed for good.
    "dashboard": {
        *("broker", "protocol", "spec", "launch_specs", "statedir", "visible", "private_files", "log_files"),
        *("masked_values", "token_lines"),
    },
    "log_files": {"private_files", "slot_names"},
    "takeover": set(),  # pure: texts in, text out; nothing of a running fleet
    "view": {
        *("broker", "control", "controller.autoscale", "fleet_state"),
        # Its scheduler, told of as the controller tells of one.
        *("controller.observed.schedules", "controller.metrics", "prctl", "spec", "launch_specs"),
    },
    "advice": {"duration_words", "histogram"},  # pure: measurements in, advice out
    "bench": {"advice", "spec", "launch_specs", "control", "telemetry", "broker", "protocol", "tasks"},
    "export": {"config.model", "diagnostics", "broker_url", "rules.finding", "secret_names"},
    "config": {
        *(
            "rules",
            "diagnostics",
            "machine",
            "spec",
            "launch_specs",
            "statedir",
            "broker_url",
            "working_folder",
        ),
        *("schedules.moments", "pool_slots", "fleet_state", "host_labels", "secret_names"),
    },
    "broker": {"config.model", "protocol", "spec", "broker_url", "clock", "instance"},
    "tasks": {"broker", "protocol", "config", "diagnostics", "spec", "launch_specs", "clock"},
    "worker": {
        *(
            "broker",
            "protocol",
            "tasks",
            "spec",
            "launch_specs",
            "control",
            "visible",
            "early_signals",
            "clock",
        ),
        "instance",
        *("telemetry", "histogram"),
        "prctl",
        "schedules.orders",  # how a run tells its scheduler that it has ended
    },
    "supervisor": {
        "spec",
        "launch_specs",
        "slot_names",
        "prctl",
        "statedir",
        "visible",
        "peers",
        "release_link",
        "private_files",
    },
    # What a worker runs of a Celery app; the worker finds it by name, and nobody imports it.
    "celery": {
        *(
            "broker.delivery",
            "broker.reposting",
            "protocol",
            "worker",
            "spec",
            "launch_specs",
            "clock",
            "kombu",
        ),
        "schedules.app_schedules",
    },
    "controller": {
        *("config", "supervisor.client", "broker", "tasks", "diagnostics", "machine", *VALUES),
        *("schedules", "scheduler.messages"),  # `fleet schedule run` is what the scheduler would have sent
    },
    "kombu": {"broker.kombu_transport.aliases"},  # for clients that are not fleet's
    "simulation": {
        *("fleet_state", "controller.autoscale.decision", "controller.autoscale.room"),
        *("controller.autoscale.need", "controller.autoscale.slots", "controller.autoscale.why"),
        *("config.units", "spec", "launch_specs", "schedules", "duration_words"),
    },
    "cli": {
        *("config", "rules", "diagnostics", "machine", "broker", "broker_url", "tasks", "protocol"),
        *(
            "supervisor",
            "controller",
            "dashboard",
            "log_files",
            "simulation",
            "otlp",
            "export",
            "takeover",
            "schedules",
            "scheduler",
            "view",
            "advice",
            "bench",
            "masked_values",
            *VALUES,
        ),
    },
}

FORBIDDEN_LIBRARIES = {
    "supervisor": {"kombu", "pydantic", "click", "asyncio", "threading", "gevent", "eventlet"},
    "worker": {"pydantic", "supervisor", "click", "uvicorn", "starlette", "watchfiles", "cronsim"},
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
    own_or_public = {package, "__distribution__", "__version__"}
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
def test_a_package_imports_no_library_that_is_banned_there(file: Path) -> None:
    banned = FORBIDDEN_LIBRARIES.get(package_of(file), set())
    strays = sorted({name.split(".")[0] for name in imported(file)} & banned)
    assert not strays, f"{package_of(file)} must not import {strays}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_celery_is_imported_in_one_package_only(file: Path) -> None:
    """It is optional, and heavy: who runs no Celery app never loads it."""
    if package_of(file) != "celery":
        assert not [name for name in imported(file) if name.split(".")[0] in ("celery", "billiard")]


def test_a_forbidden_import_is_found_wherever_it_stands(tmp_path: Path) -> None:
    assert not allowed("worker", "config.load.load")
    assert not allowed("rules", "config.load.load")
    assert allowed("rules", "config.model.Fleet")
    stray = tmp_path / "stray.py"
    stray.write_text("def f():\n    from fleet.controller.rollout import plan\n")
    assert list(imported(stray)) == ["fleet.controller.rollout.plan"]
