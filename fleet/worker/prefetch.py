"""The prefetch of a worker: how many deliveries it holds at most, those that run and those that wait for a slot.

What it takes ahead hides the way to the broker; what it takes and can't start, no idle worker can have. How
much that should be depends on how long tasks take, which is observed. `ahead` is the decision, and pure.
"""

from __future__ import annotations

from fleet.launch_specs import WorkerSpec

# Work taken ahead is to last that long. A delivery is there after about a millisecond; the rest is for a busy
# broker. It is also the longest that anybody waits for work which lies here.
_HIDDEN_SECONDS = 0.02
_OVERHEAD_SECONDS = 0.00005  # of the shortest task
_MOST_AHEAD = 1000
_MOST_BYTES_AHEAD = 64 << 20  # of bodies; RabbitMQ counts messages only
# Four times as long or as short: below that nothing changes. Changing costs RabbitMQ a new consumer.
_BAND = 2.0

_MEMORY = 0.05  # how much the latest task weighs
_FIRST_LOOK = 5  # tasks
_EVERY_SECONDS = 0.25


def ahead(now_ahead: int, slots: int, seconds: float, size: float = 0.0) -> int:
    """How many to take ahead where tasks take `seconds` and bodies `size` bytes, if it is `now_ahead` so far."""
    ideal = slots * _HIDDEN_SECONDS / max(seconds, _OVERHEAD_SECONDS)
    ideal = min(ideal, _MOST_BYTES_AHEAD / max(size, 1.0))
    if now_ahead / _BAND <= ideal <= now_ahead * _BAND or (now_ahead == 0 and ideal < 1):
        return now_ahead
    return min(int(ideal), _MOST_AHEAD)


class Prefetch:
    """`held` for one worker, which tells what its tasks took. For the loop's thread."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._seconds: float | None = None
        self._size = 0.0  # of bodies
        self._seen = 0
        self._look_at = 0.0
        self._ahead = 0
        self.configure(spec)

    def configure(self, spec: WorkerSpec) -> None:
        self._slots = spec.slots
        self._declared = None if spec.prefetch is None else max(spec.prefetch, 1)

    @property
    def held(self) -> int:
        """What is to be held now: what the file says, else all that can run and what is taken ahead."""
        return self._slots + self._ahead if self._declared is None else self._declared

    @property
    def is_auto(self) -> bool:
        return self._declared is None

    @property
    def is_ahead(self) -> bool:
        """Whether it was its own decision to hold more than can run."""
        return self._declared is None and self._ahead > 0

    def ended(self, wall_seconds: float, size: int = 0) -> None:
        """A task has ended after so long; its body had so many bytes."""
        # Up at once, down slowly: one large message in ten is enough to fill the memory.
        self._size = max(float(size), self._size + (size - self._size) * _MEMORY)
        if self._seconds is None:
            self._seconds = wall_seconds
        self._seconds += (wall_seconds - self._seconds) * _MEMORY
        self._seen += 1

    def stalled(self, seconds: float) -> None:
        """All slots have been busy for so long, and nothing has ended."""
        self._seconds = max(self._seconds or 0.0, seconds)
        self._look_at = 0.0

    def look(self, now: float) -> bool:
        """Whether `held` has changed. Cheap; for every turn of the loop."""
        if now < self._look_at or self._seen < _FIRST_LOOK or self._seconds is None:
            return False
        self._look_at = now + _EVERY_SECONDS
        before, self._ahead = self._ahead, ahead(self._ahead, self._slots, self._seconds, self._size)
        return self._declared is None and self._ahead != before
