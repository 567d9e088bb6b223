"""The state of alerts: which fire, and which notices are to be delivered. Kept on disk, so that each is told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from fleet.controller.alerts.conditions import Wrong
from fleet.controller.log.events import iso
from fleet.spec import Spec

MOST_NOTICES = 200
_CALM_LOOKS = 2  # in a row without it: one status may lack a number


@dataclass(frozen=True, slots=True)
class AlertNotice(Spec):
    """`state` is "firing", "reminder" or "resolved"; `id` is the same each time that it is tried."""

    id: str
    alert: str
    state: str
    summary: str
    remedy: str
    since: str
    at: str


@dataclass(frozen=True, slots=True)
class Firing(Spec):
    """Times are POSIX timestamps."""

    summary: str
    remedy: str
    since: float
    told_at: float
    calm: int = 0  # looks since it was seen


@dataclass(frozen=True, slots=True)
class AlertState(Spec):
    """`pending` have not been delivered yet, the oldest first."""

    firing: dict[str, Firing] = field(default_factory=dict)
    pending: tuple[AlertNotice, ...] = ()

    @classmethod
    def read(cls, text: str) -> AlertState:
        """What `to_json` wrote. Raises ValueError, TypeError, KeyError or AttributeError."""
        ledger = cls.from_json(text)
        firing = {str(name): Firing.from_dict(each) for name, each in ledger.firing.items()}  # type: ignore[arg-type]
        return replace(ledger, firing=firing)

    def look(self, wrong: Sequence[Wrong], now: float, repeat_seconds: float) -> AlertState:
        """After it was seen what is wrong `now` (POSIX)."""
        firing, notices = dict(self.firing), list(self.pending)
        seen = {each.name: each for each in wrong}
        for name, each in seen.items():
            was = firing.get(name)
            if was is None:
                firing[name] = Firing(each.summary, each.remedy, now, now)
                notices.append(_notice(name, firing[name], "firing", now))
                continue
            firing[name] = replace(was, summary=each.summary, remedy=each.remedy, calm=0)
            if now - was.told_at >= repeat_seconds:
                firing[name] = replace(firing[name], told_at=now)
                notices.append(_notice(name, firing[name], "reminder", now))
        for name in firing.keys() - seen.keys():
            was = firing[name]
            firing[name] = replace(was, calm=was.calm + 1)
            if firing[name].calm >= _CALM_LOOKS:
                notices.append(_notice(name, firing.pop(name), "resolved", now))
        return AlertState(firing, tuple(notices[-MOST_NOTICES:]))

    def delivered(self, ident: str) -> AlertState:
        """Note that a notice has reached somebody, or never will."""
        return replace(self, pending=tuple(each for each in self.pending if each.id != ident))


def _notice(name: str, firing: Firing, state: str, now: float) -> AlertNotice:
    return AlertNotice(uuid4().hex, name, state, firing.summary, firing.remedy, iso(firing.since), iso(now))
