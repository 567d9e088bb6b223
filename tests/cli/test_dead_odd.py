"""`fleet dead` where dead-letter queues hold what no worker has put there: shown, brought back or kept, deleted."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from fleet.broker.open import open_dead_letters
from tests.cli import test_dead
from tests.cli.test_dead import Yard
from tests.conftest import Broker
from tests.contract.hostile import WAYS, Batch

yard = test_dead.yard


@settings(
    max_examples=5,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(some.data())
def test_whatever_lies_there_can_be_listed_brought_back_and_deleted(
    yard: Yard, broker: Broker, data: some.DataObject
) -> None:
    [known] = yard.kill(yard.images)
    strategy, post = WAYS[broker.name]
    post(yard.spec, str(yard.images.dead_letter), data.draw(some.lists(strategy, min_size=10).map(Batch)))
    for arguments in (("list",), ("list", "--json"), ("show", known), ("show", known, "--json")):
        outcome = yard.dead(*arguments, *(("--queue", yard.images.name) if arguments[0] == "list" else ()))
        assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["task"] == "shop.resize"
    retried = yard.dead("retry", "--all", "--queue", yard.images.name)
    assert retried.code in (0, 1), retried.err
    purged = yard.dead("purge", "--all", "--queue", yard.images.name, "--yes")
    assert purged.code == 0, purged.err
    graves = open_dead_letters(yard.spec)
    assert graves is not None
    assert graves.count(str(yard.images.dead_letter)) == 0
    back = graves.take(yard.images.name, 1000)
    assert known in [each.headers.get("id") for each in back]
    graves.drop(back)
    graves.close()
