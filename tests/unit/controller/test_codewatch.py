"""Which files `[rollout] watch` means."""

from __future__ import annotations

from pathlib import Path

from fleet.controller.codewatch import CodeWatch, digests, roots
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
    found = digests(tmp_path, ["shop/**/*.py"])
    assert {str(path.relative_to(tmp_path)) for path in found} == {"shop/a.py", "shop/deep/b.py"}
    assert digests(tmp_path, ["/etc/*.conf", "lib/***.py", ""]) == {}
    (tmp_path / "shop/a.py").touch()
    assert digests(tmp_path, ["shop/**/*.py"]) == found


def test_an_edit_before_the_watch_stands_is_seen(tmp_path: Path) -> None:
    """Just after the start, or after the patterns were written into the file."""
    code, patterns, told = tmp_path / "a.py", list[str](), list[list[str]]()
    code.write_text("1")
    watch = CodeWatch(lambda: (tmp_path, tuple(patterns)), told.append)
    watch.start()
    try:
        patterns.append("*.py")
        watch.begin()
        code.write_text("2")
        eventually(lambda: told == [["a.py"]])
    finally:
        watch.stop()
        watch.join()
