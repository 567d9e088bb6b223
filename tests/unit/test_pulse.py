from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.pulse import SILENT_SECONDS, GroupPulse, Pulse, merged, read, wrong

GROUP = GroupPulse("beat", "r1", desired=1, ready=1, singleton=True)
A = Pulse("a-1", "a", "healthy", (), "r1", (GROUP,))
B = replace(A, id="b-1", host="b", groups=(replace(GROUP, ready=0),))


def heard(*pulses: Pulse, seconds: float = 1.0) -> dict[str, tuple[str, float]]:
    return {each.id: (each.to_json(), seconds) for each in pulses}


def test_a_pulse_is_read_as_it_was_written() -> None:
    pulse = replace(A, others={"b-1": ("b", 2.5)}, reasons=("w: none ready",))
    assert read(pulse.to_json()) == pulse


def test_a_pulse_carries_no_time_so_that_clocks_may_be_apart() -> None:
    assert not [name for name in Pulse.__dataclass_fields__ if "time" in name or "at" in name.split("_")]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "[]",
            "1",
            "{",
            '{"id": 1, "host": "a"}',
            '{"id": "a", "host": "a", "others": {"b": ["b", -1]}}',
        ),
        *('{"id": "a", "host": "a", "groups": [{"name": "w", "ready": "x"}]}', "[" * 100_000),
    ],
)
def test_what_no_controller_says_is_nobody(text: str) -> None:
    assert read(text) is None
    assert merged({"x": (text, 1.0)}) == []


def test_hosts_that_are_well_have_nothing_wrong() -> None:
    assert list(wrong(merged(heard(A, B)))) == []


def test_a_silent_host_is_named_and_no_longer_compared() -> None:
    others = heard(A) | heard(replace(B, revision="r0", groups=(GROUP,)), seconds=40.0)
    assert list(wrong(merged(others))) == ["b silent for 40 s"]


def test_a_host_that_only_others_have_heard_is_as_old_as_they_say() -> None:
    told = replace(A, others={"b-1": ("b", 39.0)})
    older = replace(A, id="c-1", host="c", groups=(), others={"b-1": ("b", 50.0), "a-1": ("a", 0.0)})
    hosts = merged(heard(told, older))
    assert [(each.host, each.seconds) for each in hosts] == [("a", 1.0), ("b", 40.0), ("c", 1.0)]


def test_a_singleton_on_two_hosts_is_found() -> None:
    both = merged(heard(A, replace(B, groups=(GROUP,))))
    assert list(wrong(both)) == ["singleton beat runs on 2 hosts: a, b"]


def test_different_revisions_are_found() -> None:
    assert list(wrong(merged(heard(A, replace(B, revision="r2"))))) == [
        "different revisions: r1 on a; r2 on b"
    ]


def test_what_is_wrong_on_a_host_is_told() -> None:
    bad = replace(A, state="degraded", reasons=("w: 0 of 1 ready",))
    assert list(wrong(merged(heard(bad)))) == ["a degraded: w: 0 of 1 ready"]


def test_fifty_hosts_are_all_there() -> None:
    pulses = [replace(B, id=f"h{number}", host=f"h{number:02}") for number in range(50)]
    silent = heard(*pulses[:3], seconds=SILENT_SECONDS + 1)
    hosts = merged(heard(*pulses) | silent)
    assert len(hosts) == 50
    assert len(list(wrong(hosts))) == 3
