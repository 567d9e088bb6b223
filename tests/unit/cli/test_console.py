"""How often the console of `fleet up` looks for output."""

from __future__ import annotations

from fleet.cli.console import next_pause


def test_the_console_looks_often_while_there_is_output_and_seldom_when_there_is_none() -> None:
    pause, pauses = 0.1, []
    for _ in range(20):
        pause = next_pause(pause, printed=False)
        pauses.append(pause)
    assert pauses == sorted(pauses)
    assert pauses[-1] == 0.5
    assert next_pause(pause, printed=True) == 0.1
