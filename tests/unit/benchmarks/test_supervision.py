"""The table of docs/supervision.md can be measured in parts."""

from __future__ import annotations

import pytest

from benchmarks.supervision import main, report
from benchmarks.supervisors.rows import parts


def test_the_report_is_of_what_has_been_measured() -> None:
    kept = {
        "up": {"load": 0.5, "rows": [["50 workers up", "1 s", "2 s", "3 s", "4 s"]]},
        "idle0": {"load": 1.5, "rows": [["0 workers: memory", "1 MB", "2 MB", "3 MB", "0"]]},
    }
    text = report(kept, quick=False)
    assert "load before a part at most 1.5" in text
    assert text.splitlines()[-2:] == [
        "| 50 workers up | 1 s | 2 s | 3 s | 4 s |",
        "| 0 workers: memory | 1 MB | 2 MB | 3 MB | 0 |",
    ]


def test_all_parts_of_a_full_run() -> None:
    assert list(parts(quick=False)) == ["respawn", "up", "roll", "reload", "idle0", "idle50", "idle200"]


def test_a_part_that_there_is_not_is_named() -> None:
    with pytest.raises(SystemExit, match="no such part: rol; there are: respawn, up, "):
        main(["rol"])
