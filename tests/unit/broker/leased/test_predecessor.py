"""Whose claims a starting worker gives back: those of its own program's dead processes, and of nobody else."""

from __future__ import annotations

import pytest

from fleet.broker.leased.predecessor import is_predecessor

ME = "http/0@host:20/token"
POD = "http/0@host:20/pod.b"


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ("http/0@host:10/token", True),
        (ME, False),
        ("http/0@host:10/other", False),
        ("http/1@host:10/token", False),
        ("http/0@elsewhere:10/token", False),
        ("http/0@host:10", False),
    ],
)
def test_an_earlier_process_of_the_same_program_is_a_predecessor(owner: str, expected: bool) -> None:
    assert is_predecessor(owner, ME) is expected


def test_without_a_token_nobody_is_a_predecessor() -> None:
    assert not is_predecessor("http/0@host:10", "http/0@host:20")


@pytest.mark.parametrize(
    ("owner", "lives", "expected"),
    [
        ("http/0@host:20/pod.a", False, True),
        ("http/0@host:20/pod.a", True, False),
        ("http/0@host:20/other.a", False, False),
        (POD, False, False),
    ],
)
def test_of_an_instance_only_a_dead_process_is_a_predecessor(owner: str, lives: bool, expected: bool) -> None:
    assert is_predecessor(owner, POD, lives=lambda _token: lives) is expected
