"""Advice on prefetch and on limits that are missing: what the file gets, and that a second look is silent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleet.advice.group_advice import Declared, GroupAdvice, advise
from tests.advice.conftest import Write
from tests.advice.test_advise import CODE, measured
from tests.advice.test_group_advice import AROUND, group
from tests.cli.invoke import fleet

__all__ = ["measured"]
COMPUTING = {"q": "cpu"}


def found(evidence: Any, **said: Any) -> GroupAdvice | None:
    whole = {"prefetch": None, "replicas": 1, **said}
    declared = Declared(
        evidence.pool,
        evidence.slots,
        whole["replicas"],
        dict(COMPUTING),
        whole["prefetch"],
        is_unlimited=whole.get("is_unlimited", False),
    )
    advice = advise(evidence, declared, AROUND._replace(free_cpus=4 * whole["replicas"]))
    assert advice is None or isinstance(advice, GroupAdvice)
    return advice


def test_long_tasks_held_where_no_other_worker_gets_them_are_set_free() -> None:
    long = group("prefork", 4, 5.0, 5.0, number=80)
    advice = found(long, prefetch=40, replicas=2)
    assert advice is not None
    assert advice.prefetch == "auto"
    assert "36 messages that it can't start, work for 45 s" in advice.why
    assert found(long, prefetch=40, replicas=1) is None, "there is nobody else to have them"
    assert found(long, prefetch=4, replicas=2) is None
    assert found(long, prefetch=None, replicas=2) is None
    assert found(group("prefork", 4, 0.01, 0.01), prefetch=40, replicas=2) is None, "they are done at once"


def test_short_tasks_that_wait_for_each_message_get_some_ahead() -> None:
    short = group("prefork", 4, 0.001, 0.001, number=2000)
    advice = found(short, prefetch=4)
    assert advice is not None
    assert advice.prefetch == "auto"
    assert found(short, prefetch=100) is None
    assert found(group("prefork", 4, 0.5, 0.5), prefetch=4) is None


def test_a_limit_that_is_missing_is_five_times_what_999_of_1000_took() -> None:
    many = group("prefork", 4, 9.0, 9.0, number=1200)
    advice = found(many, is_unlimited=True)
    assert advice is not None
    assert 45 <= (advice.time_limit or 0) <= 60
    assert found(many, is_unlimited=False) is None
    few = group("prefork", 4, 9.0, 9.0, number=300)
    assert found(few, is_unlimited=True) is None, "what one in a thousand takes is not known yet"


@pytest.mark.parametrize("said", ["prefetch = 60", ""])
def test_it_is_written_and_not_said_again(said: str, write: Write, measured: Any) -> None:
    file = write(code=CODE, pool="prefork", concurrency=4)
    text = file.read_text().replace("[machine]\n", "[machine]\ncpus = 8\n")
    text = text.replace("[queues.work]\n", '[queues.work]\nworkload = "cpu"\n')
    file.write_text(f"{text}replicas = 2\n{said}\n")
    measured(group("prefork", 4, 2.0, 2.0, number=1200))
    before = json.loads(fleet("validate", file, "--format", "json").out)["diagnostics"]
    [advice] = json.loads(fleet("advise", "-f", file, "--json").out)["advice"]
    assert advice["lines"] == (['prefetch = "auto"'] if said else []) + ['time_limit = "30s"']
    assert fleet("advise", "-f", file, "--write").code == 0
    assert json.loads(fleet("advise", "-f", file, "--json").out)["advice"] == []
    text = file.read_text()
    assert 'time_limit = "30s"' in text
    assert "prefetch = 60" not in text
    after = json.loads(fleet("validate", file, "--format", "json").out)["diagnostics"]
    assert {each["code"] for each in after} <= {each["code"] for each in before}
