"""What is on the list of known faults is found: when it no longer is, it comes off the list."""

from __future__ import annotations

import pytest

from tests.simulated import known_faults
from tests.simulated.known_faults import KNOWN
from tests.simulated.running import first_breach


@pytest.mark.parametrize(("broker", "begins", "fault"), KNOWN, ids=[fault for _, _, fault in KNOWN])
def test_a_known_fault_is_still_found(
    broker: str, begins: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_faults, "KNOWN", ())
    breaches = first_breach(broker, range(300), shrinks=False)
    assert breaches is not None, f"mended? Then take it off the list: {fault}"
    assert breaches.startswith(begins)


def test_only_what_is_known_is_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_faults, "KNOWN", (("redis", "lost:", "a fault"),))
    breaches = ["lost: m1 was deleted", "multiplied: 2 copies of m1"]
    assert known_faults.unknown("redis", breaches) == breaches[1:]
    assert known_faults.unknown("sqlite", breaches) == breaches
