"""`fleet dead list` on terminals of several widths: the reason is never cut."""

from __future__ import annotations

import pytest

from fleet.broker.dead_letter_record import DeadLetterRecord
from fleet.cli.views.dead import as_table

REASON = "ValueError: " + " ".join(f"the {number}th page of the order is missing" for number in range(5))


def dead(task: str, reason: str) -> DeadLetterRecord:
    said = {"dead_letter": "q.dead", "queue": "q", "at": 0.0, "attempt": 1, "retries": 0}
    rest = {"exit_signal": None, "worker": "w/0", "args": [], "kwargs": {}, "traceback": "", "body": b""}
    ident = "0e1ff4a2-5f0c-4c86-9b3a-3ac2be7d37a1"
    known = {**said, **rest, "id": ident, "task": task, "reason": reason}
    return DeadLetterRecord(
        **{name: value for name, value in known.items() if name in DeadLetterRecord.__annotations__}
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [60, 80, 100])
@pytest.mark.parametrize("task", ["t", "shop.warehouse.tasks.reorder_everything_that_is_missing"])
def test_dead_list_shows_the_whole_reason(columns: int, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = list(as_table([dead(task, REASON), dead(task, "killed its worker 5 times")]))
    assert max(map(len, lines)) <= columns
    text = " ".join(" ".join(lines).split())
    assert REASON in text
    assert "killed its worker 5 times" in text
    assert text.count("0e1ff4a2-5f0c-4c86-9b3a-3ac2be7d37a1") == 2


def test_dead_list_shows_short_reasons_in_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    titles, line = as_table([dead("t", "it failed")])
    assert titles.endswith("REASON")
    assert line.endswith("it failed")
