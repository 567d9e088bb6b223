"""Going through dead letters: each is fetched once at most, however many there are, and little of them is kept."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from fleet.broker.dead_letter_browser import DeadLetterBrowser
from fleet.broker.delivery import Delivery, Posting
from fleet.spec import QueueSpec

MANY = 5_000
QUEUE = QueueSpec("io", dead_letter="io.dead")


class Letters:
    """The dead-letter role over a list; `fetched` counts what was handed out."""

    def __init__(self, count: int) -> None:
        self.waiting = list(range(count))
        self.fetched = 0
        self.back: list[Delivery] = []
        self.is_scanned = False

    def _letter(self, number: int) -> Delivery:
        self.fetched += 1
        return Delivery(number, "io.dead", b"[[],{},{}]", {"id": f"id-{number}", "task": "t"})

    def count(self, _queue: str) -> int:
        return len(self.waiting)

    def look(self, _queue: str, limit: int) -> list[Delivery]:
        return [self._letter(number) for number in self.waiting[:limit]]

    def scan(self, _queue: str) -> Generator[Delivery, None, None]:
        self.is_scanned = True
        try:
            for number in self.waiting:
                yield self._letter(number)
        finally:
            self.is_scanned = False

    def take(self, _queue: str, limit: int) -> list[Delivery]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return [self._letter(number) for number in taken]

    def move(self, deliveries: Sequence[Delivery], _postings: Sequence[Posting], _queue: QueueSpec) -> int:
        return len(deliveries)

    def drop(self, deliveries: Sequence[Delivery]) -> int:
        return len(deliveries)

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        self.back += deliveries

    def close(self) -> None: ...


def test_a_look_for_the_last_one_fetches_each_once() -> None:
    letters = Letters(MANY)
    browser = DeadLetterBrowser(letters, ["io.dead"], [QUEUE])
    [found] = browser.look(lambda record: record.id == f"id-{MANY - 1}", 2)
    assert found.id == f"id-{MANY - 1}"
    assert letters.fetched == MANY


def test_a_look_stops_at_its_limit_and_leaves_the_scan_closed() -> None:
    letters = Letters(MANY)
    found = DeadLetterBrowser(letters, ["io.dead"], [QUEUE]).look(lambda _: True, 3)
    assert [record.id for record in found] == ["id-0", "id-1", "id-2"]
    assert letters.fetched <= 4
    assert not letters.is_scanned


def test_of_what_is_passed_over_only_the_tag_is_kept() -> None:
    letters = Letters(MANY)
    browser = DeadLetterBrowser(letters, ["io.dead"], [QUEUE])
    [(moved, homeless)] = browser.bring_back(lambda record: record.id == "id-7")
    assert (moved, homeless) == (1, [])
    assert [each.tag for each in letters.back] == [number for number in range(MANY) if number != 7]
    assert not any(each.headers or each.properties or each.body for each in letters.back)
