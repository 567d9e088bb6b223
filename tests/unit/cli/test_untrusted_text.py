"""What a message, a task or a worker says is shown as text, by every view."""

from __future__ import annotations

import io
from typing import Any

import pytest

from fleet.broker.dead_letter_record import DeadLetterRecord
from fleet.cli.guard import GuardedStream
from fleet.cli.options import Failure
from fleet.cli.views.dead import as_table, as_text
from fleet.cli.views.log_lines import LogPrinter
from fleet.controller.log.events import EventLog
from fleet.log_files import Line
from fleet.worker import log as worker_log

ATTACK = "\x1b]0;owned\x07\n2026-01-01T00:00:00Z ERROR g/0 forged\r\x9b2J\u202e"
FORGED = "2026-01-01T00:00:00Z ERROR g/0 forged"


def assert_harmless(shown: str) -> None:
    assert not {"\x1b", "\x07", "\r", "\x9b", "\u202e"} & set(shown), shown
    assert not any(line.lstrip(" |").startswith(FORGED) for line in shown.split("\n")), shown
    assert "forged" in shown


def record(**more: Any) -> DeadLetterRecord:
    said = {
        "id": ATTACK,
        "task": ATTACK,
        "queue": ATTACK,
        "dead_letter": "q.dead",
        "reason": ATTACK,
        "at": 0.0,
    }
    said |= {"worker": ATTACK, "attempt": 1, "retries": 0, "exit_signal": None, "traceback": None}
    return DeadLetterRecord(**{**said, "args": [ATTACK], "kwargs": {ATTACK: ATTACK}, **more})


def test_text_of_dead_messages_steers_no_terminal() -> None:
    assert_harmless("\n".join(as_table([record()])))
    assert_harmless(as_text(record()))
    page = as_text(record(traceback=f"Traceback\n{ATTACK}"))
    assert not {"\x1b", "\x07", "\r", "\x9b"} & set(page)
    assert f"\n{FORGED}" not in page


def test_text_of_log_files_steers_no_terminal() -> None:
    stream = io.StringIO()
    LogPrinter(stream).print([Line("g/0", ATTACK.replace("\n", " ") + "\tb")])
    assert_harmless(stream.getvalue())
    assert "\tb" in stream.getvalue()


def test_text_in_the_controllers_log_steers_no_terminal() -> None:
    stream = io.StringIO()
    log = EventLog(stream)
    log.error(f"g/0 is in trouble: {ATTACK}")
    assert_harmless(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert_harmless(log.after(0)[0].message)


def test_text_in_a_workers_log_steers_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    log = worker_log.Log("g/0")
    log.warning(f"{ATTACK} failed: {ATTACK}", trace=f"Traceback\n{ATTACK}")
    written = capfd.readouterr().err
    first, *trace = written.removesuffix("\n").split("\n")
    assert_harmless(first)
    assert all(line.startswith("  ") for line in trace)
    assert not {"\x1b", "\x07", "\r", "\x9b"} & set(written)


def test_text_of_a_failure_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Failure(f"no task {ATTACK}").show()
    assert not {"\x1b", "\x07", "\r", "\x9b"} & set(capsys.readouterr().err)


def test_text_of_whatever_else_is_printed_steers_no_terminal() -> None:
    stream = io.StringIO()
    GuardedStream(stream).write(f"anything {ATTACK}")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(stream.getvalue())
