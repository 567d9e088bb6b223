"""Which files `[rollout] watch` means."""

from __future__ import annotations

from pathlib import Path

from fleet.controller.declared.code_watch import CodeWatch, Wanted, digests, roots, wanted_code
from fleet.fleet_state import FleetState, Group, RolloutPolicy
from fleet.launch_specs import WorkerSpec
from fleet.spec import BrokerSpec, RoutingSpec
from tests.support import eventually


def test_what_stands_before_the_wildcards_is_watched(tmp_path: Path) -> None:
    for folder in ("shop/deep", "lib"):
        (tmp_path / folder).mkdir(parents=True)
    assert roots(tmp_path, ["shop/**/*.py", "lib/one.py", "*.py"]) == [
        tmp_path,
        tmp_path / "lib",
        tmp_path / "shop",
    ]
    assert roots(tmp_path, ["nowhere/*.py"]) == []
    assert roots(tmp_path, []) == []


def test_only_what_matches_counts_and_only_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "shop" / "deep").mkdir(parents=True)
    for name in ("shop/a.py", "shop/deep/b.py", "shop/deep/b.pyc", "c.py"):
        (tmp_path / name).write_text(name)
    found = digests(Wanted(tmp_path, ["shop/**/*.py"]))
    assert {str(path.relative_to(tmp_path)) for path in found} == {"shop/a.py", "shop/deep/b.py"}
    assert digests(Wanted(tmp_path, ["/etc/*.conf", "lib/***.py", ""])) == {}
    (tmp_path / "shop/a.py").touch()
    assert digests(Wanted(tmp_path, ["shop/**/*.py"])) == found


def test_what_the_fleet_itself_writes_and_hidden_folders_are_no_code(tmp_path: Path) -> None:
    """Else each line of a log replaces all workers, whose logs then have new lines, for ever."""
    state, broker = tmp_path / "run", tmp_path / "data" / "broker.db"
    for name in (
        *("shop/a.py", "data/names.csv", "run/logs/http.0.log", "data/broker.db", "data/broker.db-wal"),
        *("data/broker.db.wake/x", ".git/index", ".venv/lib/a.py", "shop/__pycache__/a.pyc", ".env"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for patterns, expected in {
        ("**/*",): {"shop/a.py", "data/names.csv"},
        ("**/*", ".env"): {"shop/a.py", "data/names.csv", ".env"},
        ("run/**/*.log", ".venv/**/*.py"): {".venv/lib/a.py"},
    }.items():
        wanted = wanted_code(tmp_path / "fleet.toml", declared(tmp_path, state, broker, patterns))
        assert {str(path.relative_to(tmp_path)) for path in digests(wanted)} == expected


def declared(folder: Path, state: Path, broker: Path, patterns: tuple[str, ...]) -> FleetState:
    routing = RoutingSpec(BrokerSpec(f"sqlite:///{broker}"), (), ())
    spec = WorkerSpec("shop", "http", (), (), routing.broker, (), "solo", 1)
    group = Group(spec, 1, rollout=RolloutPolicy(watch=patterns))
    return FleetState("shop", str(folder), str(state), 0.0, routing, (group,))


def test_an_edit_before_the_watch_stands_is_seen(tmp_path: Path) -> None:
    """Just after the start, or after the patterns were written into the file."""
    code, patterns, told = tmp_path / "a.py", list[str](), list[list[str]]()
    code.write_text("1")
    watch = CodeWatch(lambda: Wanted(tmp_path, tuple(patterns)), told.append)
    watch.start()
    try:
        patterns.append("*.py")
        watch.begin()
        code.write_text("2")
        eventually(lambda: told == [["a.py"]])
    finally:
        watch.stop()
        watch.join()
