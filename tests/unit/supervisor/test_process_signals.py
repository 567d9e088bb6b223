"""Which signals the supervisor takes out of supervisord's hands."""

from __future__ import annotations

import signal

import pytest

from fleet.supervisor.process_signals import Signals


@pytest.fixture
def heard() -> tuple[Signals, list[str]]:
    signals, calls = Signals(), list[str]()
    signals.on_hangup = lambda: calls.append("hangup")
    signals.on_impatience = lambda: calls.append("impatience")
    return signals, calls


def test_sighup_never_reaches_supervisord_which_would_restart_everything(
    heard: tuple[Signals, list[str]],
) -> None:
    signals, calls = heard
    assert signals.take(signal.SIGHUP, stopping=False)
    assert signals.take(signal.SIGHUP, stopping=True)
    assert calls == ["hangup", "hangup"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_the_first_signal_to_stop_is_supervisord_s_and_the_second_hurries(
    heard: tuple[Signals, list[str]], signum: signal.Signals
) -> None:
    signals, calls = heard
    assert not signals.take(signum, stopping=False)
    assert calls == []
    assert signals.take(signum, stopping=True)
    assert calls == ["impatience"]


def test_others_and_none_are_left_alone(heard: tuple[Signals, list[str]]) -> None:
    signals, calls = heard
    assert not signals.take(None, stopping=True)
    assert not signals.take(signal.SIGCHLD, stopping=True)
    assert calls == []
