"""What leased.py promises, of every store: one suite, run against SQLite and Redis."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.broker.delivery import Posting
from fleet.broker.leased.store import Claim
from tests.integration.broker.stores import (
    Stores,
    bodies,
    message,
    postings,
    redis_stores,
    sqlite_stores,
    tags,
)
from tests.support import eventually


@pytest.fixture(params=["sqlite", "redis"])
def stores(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Stores]:
    if request.param == "sqlite":
        yield from sqlite_stores(short_folder)
    else:
        yield from redis_stores(request.getfixturevalue("redis_url"))


@pytest.fixture
def queue(stores: Stores) -> str:
    return stores.queue()


def test_a_message_comes_as_it_was_sent(stores: Stores, queue: str) -> None:
    store = stores.open()
    sent = message("grüße", priority=5, reply_to="r")
    store.publish([Posting(queue, sent)])
    [claim] = store.reserve([queue], 10)
    assert (claim.message.body, claim.message.headers) == (sent.body, sent.headers)
    assert claim.message.properties.items() >= sent.properties.items()
    assert (claim.message.content_type, claim.message.content_encoding) == ("application/json", "utf-8")
    assert (claim.queue, claim.attempt) == (queue, 1)


def test_older_first_and_no_more_than_asked_for(stores: Stores, queue: str) -> None:
    store = stores.open()
    store.publish(postings(queue, "1", "2", "3"))
    assert bodies(store.reserve([queue], 2)) == ["1", "2"]
    assert bodies(store.reserve([queue], 2)) == ["3"]
    assert store.reserve([queue], 2) == []


def test_earlier_queues_first_then_higher_priority(stores: Stores) -> None:
    store = stores.open()
    first, second = stores.queue("a"), stores.queue("b")
    store.publish(
        [Posting(second, message("b"))]
        + [Posting(first, message(str(priority), priority=priority)) for priority in (0, 9, 5, 2)]
    )
    assert bodies(store.reserve([first, second], 10)) == ["9", "5", "2", "0", "b"]


def test_an_acknowledged_message_is_gone_from_the_store(stores: Stores, queue: str) -> None:
    store, other = stores.open("a"), stores.open("b")
    store.publish(postings(queue, "1", "2"))
    claims = store.reserve([queue], 10)
    assert store.ack(tags(claims)) == 2
    assert store.ack(tags(claims)) == 0
    assert other.release_owner("a") == 0
    assert other.reserve([queue], 10) == []


def test_released_messages_come_again_in_their_old_order_and_count(stores: Stores, queue: str) -> None:
    store = stores.open()
    store.publish(postings(queue, "1", "2", "3", "4"))
    claims = store.reserve([queue], 3)
    assert store.release(tags(claims[:1]), counted=False) == 1
    assert store.release(tags(claims[1:])) == 2
    again = store.reserve([queue], 10)
    assert sorted(bodies(again)) == ["1", "2", "3", "4"]
    assert {body: claim.attempt for body, claim in zip(bodies(again), again, strict=True)} == {
        "1": 1,
        "2": 2,
        "3": 2,
        "4": 1,
    }
    assert bodies(again).index("2") < bodies(again).index("3") < bodies(again).index("4")


@pytest.mark.parametrize("counted", [True, False])
def test_an_old_tag_settles_nothing(stores: Stores, queue: str, counted: bool) -> None:
    store = stores.open()
    store.publish(postings(queue, "1"))
    [first] = store.reserve([queue], 1)
    store.release([first.tag], counted=counted)
    [second] = store.reserve([queue], 1)
    assert store.ack([first.tag]) == 0
    assert store.release([first.tag]) == 0
    assert not store.replace(first.tag, Posting(queue, message("copy")))
    assert store.stats(queue).claimed == 1
    assert store.size(queue) == 0
    assert store.ack([second.tag]) == 1


def test_claims_of_a_dead_owner_are_ready_at_once_and_counted(stores: Stores, queue: str) -> None:
    dead, other = stores.open("dead"), stores.open("other")
    dead.publish(postings(queue, "1", "2", "3"))
    claims = dead.reserve([queue], 2)
    assert other.release_owner("dead") == 2
    again = other.reserve([queue], 10)
    assert bodies(again) == ["1", "2", "3"]
    assert [claim.attempt for claim in again] == [2, 2, 1]
    assert dead.ack(tags(claims)) == 0


@pytest.mark.parametrize("ends", ["dies", "lapses", "lapses and is looked at"])
def test_a_last_attempt_counts_only_for_whom_its_owner_held_alone(
    stores: Stores, queue: str, ends: str
) -> None:
    """Who reserves one beside what runs may be killed by that before it can give it back."""
    other = stores.open("other")
    other.last_attempt = 3
    other.publish(postings(queue, "last", "first"))
    for _ in range(2):
        other.release(tags(other.reserve([queue], 1)))

    def attempts_after(held: int, owner: str) -> list[int]:
        dead = stores.open(owner, lease_seconds=30.0 if ends == "dies" else 0.2)
        dead.last_attempt = 3
        assert len(dead.reserve([queue], held)) == held
        if ends == "dies":
            other.release_owner(owner, 3)
        elif ends == "lapses and is looked at":
            looker = stores.open("looker")  # as `fleet status` is, which knows no group
            gives_back = "redis" in type(looker).__module__
            eventually(lambda: looker.stats(queue).ready == 2 or not gives_back)
        found: list[Claim] = []
        eventually(lambda: found.extend(other.reserve([queue], 10)) or len(found) == 2)
        other.release(tags(found), counted=False)
        return [claim.attempt for claim in sorted(found, key=lambda claim: claim.message.body, reverse=True)]

    assert attempts_after(2, "held both") == [3, 2]
    assert attempts_after(2, "held both again") == [3, 3]
    assert attempts_after(1, "held one") == [4, 3]


def test_the_lease_of_one_that_cannot_renew_is_kept_by_another(stores: Stores, queue: str) -> None:
    mute, other = stores.open("mute", lease_seconds=0.4), stores.open("other")
    mute.publish(postings(queue, "1"))
    claims = mute.reserve([queue], 1)
    stores.open(lease_seconds=60.0).renew_owner("mute")
    change = other.next_change([queue])
    assert change is not None
    assert change > 30
    assert mute.ack(tags(claims)) == 1


def test_keeping_a_lease_brings_nothing_back_that_was_given_back(stores: Stores, queue: str) -> None:
    dead, other = stores.open("dead"), stores.open("other")
    dead.publish(postings(queue, "1"))
    claims = dead.reserve([queue], 1)
    assert other.release_owner("dead") == 1
    other.renew_owner("dead")
    other.renew_owner("nobody")
    assert "nobody" not in other.owners()
    assert other.stats(queue).claimed == 0
    assert dead.ack(tags(claims)) == 0
    assert bodies(other.reserve([queue], 10)) == ["1"]


def test_what_has_woken_one_that_cannot_look_is_for_others(stores: Stores, queue: str) -> None:
    """On Redis it lies where only its own next look would find it, and its lease does not run out now."""
    mute, other = stores.open("mute"), stores.open("other")
    mute.listen([queue])
    other.publish(postings(queue, "1"))

    def reserved() -> list[str]:
        other.renew_owner("mute")
        return bodies(other.reserve([queue], 10))

    assert eventually(reserved, within=5) == ["1"]


def test_claims_are_ready_when_the_lease_runs_out(stores: Stores, queue: str) -> None:
    silent, other = stores.open("silent", lease_seconds=0.4), stores.open("other")
    silent.publish(postings(queue, "1"))
    [old] = silent.reserve([queue], 1)
    change = other.next_change([queue])
    assert change is not None
    assert 0 <= change <= 0.4
    [again] = eventually(lambda: other.reserve([queue], 1))
    assert again.attempt == 2
    assert silent.ack([old.tag]) == 0
    assert other.ack([again.tag]) == 1


def test_a_renewed_lease_holds(stores: Stores, queue: str) -> None:
    living, dying, other = stores.open("living", 0.6), stores.open("dying", 0.6), stores.open("other")
    living.publish(postings(queue, "kept", "lost"))
    kept = living.reserve([queue], 1)
    dying.reserve([queue], 1)

    def lost_is_back() -> bool:
        living.renew()
        return "lost" in bodies(other.reserve([queue], 2))

    eventually(lost_is_back)
    living.renew()
    assert other.reserve([queue], 2) == []
    assert living.ack(tags(kept)) == 1


def test_leases_are_renewed_from_another_thread(stores: Stores, queue: str) -> None:
    store = stores.open()
    store.publish(postings(queue, "1"))
    claims = store.reserve([queue], 1)
    failures: list[BaseException] = []

    def renew() -> None:
        try:
            for _ in range(20):
                store.renew()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=renew)
    thread.start()
    for number in range(50):
        store.publish(postings(queue, str(number)))
    thread.join()
    assert not failures
    assert store.ack(tags(claims)) == 1


def test_replace_acks_and_publishes_in_one(stores: Stores, queue: str) -> None:
    store, graveyard = stores.open(), stores.queue("dead")
    store.publish(postings(queue, "1"))
    [claim] = store.reserve([queue], 1)
    assert store.replace(claim.tag, Posting(graveyard, message("1 is dead")))
    assert store.stats(queue).claimed == 0
    assert store.ack([claim.tag]) == 0
    assert bodies(store.reserve([graveyard], 1)) == ["1 is dead"]


def test_a_delayed_message_waits_for_its_time(stores: Stores, queue: str) -> None:
    store = stores.open()
    store.publish([Posting(queue, message("later"), delay_seconds=0.3), Posting(queue, message("now"))])
    assert bodies(store.reserve([queue], 10)) == ["now"]
    assert (store.stats(queue).delayed, store.size(queue)) == (1, 0)
    change = store.next_change([queue])
    assert change is not None
    assert 0 <= change <= 0.3
    assert bodies(eventually(lambda: store.reserve([queue], 10))) == ["later"]
    assert store.stats(queue).delayed == 0


def test_a_store_without_delayed_messages_expects_no_change(stores: Stores, queue: str) -> None:
    store = stores.open()
    store.declare(queue)
    assert store.reserve([queue], 1) == []
    assert store.next_change([queue]) is None


def test_stats_and_the_age_of_the_oldest(stores: Stores, queue: str) -> None:
    store = stores.open()
    assert store.stats(queue) == type(store.stats(queue))(0, 0, 0, None)
    store.publish(postings(queue, "1", "2", "3"))
    store.publish([Posting(queue, message("4"), delay_seconds=60)])
    store.reserve([queue], 1)
    stats = eventually(lambda: (s := store.stats(queue)).oldest_seconds and s)
    assert (stats.ready, stats.delayed, stats.claimed) == (2, 1, 1)
    assert 0 < stats.oldest_seconds < 60


def test_browsing_claims_nothing(stores: Stores, queue: str) -> None:
    store = stores.open()
    store.publish(postings(queue, "1", "2", "3", "4"))
    assert bodies(store.browse(queue, 2)) == ["1", "2"]
    assert bodies(store.browse(queue, 2, offset=1)) == ["2", "3"]
    assert store.browse(queue, 2, offset=4) == []
    assert store.size(queue) == 4


def test_purge_leaves_what_is_claimed(stores: Stores, queue: str) -> None:
    store = stores.open()
    store.publish(postings(queue, "1", "2", "3", "4"))
    store.publish([Posting(queue, message("5"), delay_seconds=60)])
    claims = store.reserve([queue], 1)
    assert store.purge(queue) == 4
    assert store.reserve([queue], 10) == []
    assert store.ack(tags(claims)) == 1


def test_delete_forgets_everything(stores: Stores, queue: str) -> None:
    store = stores.open()
    store.bind(queue, stores.queue("exchange"), "key")
    store.publish(postings(queue, "1", "2"))
    claims = store.reserve([queue], 1)
    store.delete(queue)
    assert store.ack(tags(claims)) == 0
    assert queue not in store.queues()
    assert store.bindings(stores.queue("exchange")) == []
    assert store.size(queue) == 0


def test_queues_are_known_by_declaring_and_by_publishing(stores: Stores) -> None:
    store = stores.open()
    declared, published = stores.queue("declared"), stores.queue("published")
    store.declare(declared)
    store.publish(postings(published, "1"))
    assert {declared, published} <= set(store.queues())


def test_an_exchange_copies_to_every_bound_queue(stores: Stores) -> None:
    store, exchange = stores.open(), stores.queue("exchange")
    one, two, three = stores.queue("1"), stores.queue("2"), stores.queue("3")
    store.bind(one, exchange, "k")
    store.bind(two, exchange, "k")
    store.bind(three, exchange, "other")
    store.publish([Posting(one, message("hi"), exchange=exchange, routing_key="k")])
    assert [bodies(store.reserve([queue], 5)) for queue in (one, two, three)] == [["hi"], ["hi"], []]
    store.unbind(two, exchange, "k")
    assert store.bindings(exchange) == [("k", "", one), ("other", "", three)]


def test_listening_hears_a_message_and_says_so_once(stores: Stores, queue: str) -> None:
    listener, sender = stores.open("listener"), stores.open("sender")
    listener.declare(queue)
    hint = listener.listen([queue])
    assert hint is not None
    assert listener.reserve([queue], 1) == []
    assert select.select([hint], [], [], 0)[0] == []
    sender.publish(postings(queue, "1"))
    assert select.select([hint], [], [], 5)[0] == [hint]
    claims = listener.reserve([queue], 1)
    assert bodies(claims) == ["1"]
    assert claims[0].attempt == 1
    listener.unlisten()
    hint = listener.listen([queue])
    assert listener.reserve([queue], 1) == []
    assert select.select([hint], [], [], 0)[0] == []


def test_what_is_given_back_is_heard(stores: Stores, queue: str) -> None:
    listener, other = stores.open("listener"), stores.open("other")
    other.publish(postings(queue, "1"))
    claims = other.reserve([queue], 1)
    hint = listener.listen([queue])
    assert listener.reserve([queue], 1) == []
    other.release(tags(claims))
    assert select.select([hint], [], [], 5)[0] == [hint]
    assert bodies(listener.reserve([queue], 1)) == ["1"]


def test_who_does_not_listen_takes_nothing(stores: Stores, queue: str) -> None:
    listener, other = stores.open("listener"), stores.open("other")
    listener.listen([queue])
    listener.unlisten()
    other.publish(postings(queue, "1"))
    assert bodies(other.reserve([queue], 1)) == ["1"]


def test_reconnecting_keeps_the_claims(stores: Stores, queue: str) -> None:
    store = stores.open()
    store.publish(postings(queue, "1"))
    claims = store.reserve([queue], 1)
    assert store.reconnect()
    assert store.reserve([queue], 1) == []
    assert store.ack(tags(claims)) == 1


def test_closing_a_store_gives_back_its_claims(stores: Stores, queue: str) -> None:
    store, other = stores.open("a"), stores.open("b")
    store.publish(postings(queue, "1"))
    store.reserve([queue], 1)
    store.listen([queue])
    store.close()
    assert bodies(other.reserve([queue], 1)) == ["1"]


def test_delayed_messages_are_listed_by_when_they_are_due_and_one_can_be_cancelled(stores: Stores) -> None:
    store, queue = stores.open(), stores.queue()
    for body, delay in (("late", 900.0), ("soon", 300.0), ("sooner", 200.0)):
        store.publish([posting._replace(delay_seconds=delay) for posting in postings(queue, body)])
    store.publish(postings(queue, "now"))
    found = store.delayed(queue, 2)
    assert bodies([each.claim for each in found]) == ["sooner", "soon"]
    assert [each.state for each in found] == ["delayed", "delayed"]
    assert found[1].due_at - found[0].due_at == pytest.approx(100, abs=2)
    assert store.cancel(queue, "soon")
    assert not store.cancel(queue, "soon")
    assert not store.cancel(queue, "now"), "it is not delayed"
    assert bodies([each.claim for each in store.delayed(queue, 10)]) == ["sooner", "late"]
    assert (store.stats(queue).delayed, store.stats(queue).ready) == (2, 1)


def test_a_message_is_found_by_its_id_wherever_it_waits(stores: Stores) -> None:
    store, one, two = stores.open(), stores.queue("one"), stores.queue("two")
    store.publish(postings(one, *(f"m{number}" for number in range(20))))
    store.publish([posting._replace(delay_seconds=500.0) for posting in postings(two, "later")])
    found, complete = store.find([one, two], "m17", 10_000)
    assert complete
    assert (found.state, found.claim.queue, bodies([found.claim])) == ("waiting", one, ["m17"])
    found, _ = store.find([one, two], "later", 10_000)
    assert (found.state, found.claim.queue) == ("delayed", two)
    assert store.find([one, two], "nothing", 10_000) == (None, True)
    assert store.find([one], "later", 10_000) == (None, True)
    assert bodies(store.reserve([one], 20)) == [f"m{number}" for number in range(20)], "all are still there"
