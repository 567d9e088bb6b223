"""The keys in Redis: kombu's names for ready messages and bindings, `_fleet.…` for what fleet adds.

The scripts build the same names (see `lua`): what a dead worker held is only known by reading Redis, so
names can't all be handed in as KEYS. Redis Cluster, which would need that, is out of scope; kombu doesn't
support it either.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LOWEST, HIGHEST = 0, 9  # priorities as fleet numbers them: higher goes first


@dataclass(frozen=True, slots=True)
class Keys:
    """`prefix` is kombu's `global_keyprefix`.

    A step is the number behind a priority's list, 0 the most urgent.
    """

    prefix: str = ""
    separator: str = "\x06\x16"
    steps: tuple[int, ...] = (0, 3, 6, 9)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Keys:
        """From kombu's transport options of these meanings."""
        return cls(
            str(options.get("global_keyprefix", "")),
            str(options.get("sep", cls().separator)),
            tuple(sorted(options.get("priority_steps", cls().steps))),
        )

    def ready(self, queue: str, step: int = 0) -> str:
        return f"{self.prefix}{queue}{self.separator}{step}" if step else self.prefix + queue

    def claims(self, owner: str, queue: str) -> str:
        return self._own("claims", owner, queue)

    def moved(self, owner: str, queue: str, step: int) -> str:
        """Where a blocked connection of `owner` puts the message that wakes it."""
        return self._own("moved", owner, queue, str(step))

    def bindings(self, exchange: str) -> str:
        return f"{self.prefix}_kombu.binding.{exchange}"

    def permanent_bindings(self, exchange: str) -> str:
        """kombu ≥ 5.7 sweeps a table of bindings that has none of these."""
        return f"{self.prefix}_kombu.binding_permanent.{exchange}"

    @property
    def exchanges(self) -> str:
        return self._own("exchanges")

    @property
    def owners(self) -> str:
        return self._own("owners")

    @property
    def queues(self) -> str:
        return self._own("queues")

    def notes(self, book: str) -> str:
        """The notes of a scheduler."""
        return self._own("notes", book)

    def pulses(self, fleet: str) -> str:
        """What the hosts of a fleet have said of themselves last."""
        return self._own("pulses", fleet)

    @property
    def probe(self) -> str:
        """There for no longer than the script that asks what a user may do with it."""
        return self._own("probe")

    def _own(self, *parts: str) -> str:
        return f"{self.prefix}_fleet." + self.separator.join(parts)

    def step(self, urgency: int) -> int:
        """The list for `urgency` as kombu numbers it on Redis: 0 first, 9 last."""
        return self.steps[max(0, bisect(self.steps, urgency) - 1)]

    def lua(self) -> str:
        """The same names for the scripts."""
        steps = ", ".join(f"'{step}'" for step in self.steps)
        return (
            f"local PREFIX, SEP, STEPS = {_quoted(self.prefix)}, {_quoted(self.separator)}, {{{steps}}}\n"
            + _NAMES
        )


def urgency(priority: Any) -> int:
    """fleet's priority (higher first) as kombu's on Redis (lower first), and the other way round.

    No priority is 0, the list without suffix, where kombu's own producers put theirs: it goes first.
    """
    try:
        return HIGHEST - min(max(int(priority), LOWEST), HIGHEST)
    except (TypeError, ValueError, OverflowError):
        return 0


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'


_NAMES = """
local function own(...) return PREFIX .. '_fleet.' .. table.concat({...}, SEP) end
local function ready(queue, step)
  if step == '0' then return PREFIX .. queue end
  return PREFIX .. queue .. SEP .. step
end
local OWNERS, QUEUES = own('owners'), own('queues')
local PRIORITISED, FENCES, LASTS = own('prioritised'), own('fences'), own('lasts')
local function due(queue) return own('due', queue) end
local function claims(owner, queue) return own('claims', owner, queue) end
local function moved(owner, queue, step) return own('moved', owner, queue, step) end
"""
