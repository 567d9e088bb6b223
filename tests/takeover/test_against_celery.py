"""Our reading of command lines against Celery's own: its options, and its reader of `celery multi`."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.takeover.multi import nodes
from fleet.takeover.options import _FLAGS, _VALUES, parse, spelling_key
from fleet.takeover.settings import POOLS, Needless, Setting, Undecided, of_worker

pytest.importorskip("celery")

WORDS = [spelling for table in (_VALUES, _FLAGS) for text in table.values() for spelling in text.split()]


def test_every_option_of_its_worker_is_known() -> None:
    from celery.bin.celery import celery
    from celery.bin.worker import worker

    ours = {"--help", "--version", "--uid", "--gid"}
    spellings = {
        spelling
        for command in (celery, worker)
        for param in command.params
        for spelling in [*param.opts, *param.secondary_opts]
        if spelling.startswith("-")
    }
    assert sorted(each for each in spellings - ours if spelling_key(each) is None) == []


# Not settings of a group: its name, its queues, the app, the broker; or read together with another.
ELSEWHERE = {"app", "broker", "queues", "hostname", "workdir", "config", "pool", "concurrency", "autoscale"}


@pytest.mark.parametrize("word", WORDS)
def test_no_option_is_dropped_without_a_word(word: str) -> None:
    key = spelling_key(word)
    if key not in ELSEWHERE:
        outcomes = list(of_worker(parse([word, "5"], frozenset())))
        assert [
            each for each in outcomes if isinstance(each, Setting) and each.key not in ("pool", "concurrency")
        ] or [each for each in outcomes if isinstance(each, Needless | Undecided)]


def test_which_of_them_take_a_value() -> None:
    from celery.bin.celery import celery
    from celery.bin.worker import worker

    for param in [*celery.params, *worker.params]:
        for spelling in param.opts:
            if spelling.startswith("-") and spelling_key(spelling):
                takes_value = not getattr(param, "is_flag", False)
                options = parse([spelling, "VALUE"], frozenset())
                assert bool(options.arguments) is not takes_value, spelling


def test_every_pool_of_celery_is_known() -> None:
    from celery.concurrency import ALIASES

    unknown = set(ALIASES) - set(POOLS) - {"custom"}
    assert not unknown


LINES = (
    "start 3 -c 2",
    "start a b c -c 2 -c:a 5 -Q:b,c images -Q default",
    "start 10 -c 3 -Q:1-3 images,video -Q:4,5 data -Q default",
    "restart w1 w2 --time-limit=300 -c:w2 8 -l info",
    "start w1@one w2@two -c:w1@one 4",
)


@pytest.mark.parametrize("line", LINES)
def test_the_nodes_of_celery_multi_are_those_that_celery_would_start(line: str, tmp_path: Path) -> None:
    from celery.apps.multi import MultiParser, NamespacedOptionParser

    # Celery makes the folders of these two, by default in /var.
    verb, *words = [*line.split(), f"--pidfile={tmp_path}/%n.pid", f"--logfile={tmp_path}/%n.log"]
    parser = NamespacedOptionParser(words)
    parser.parse()
    theirs = {
        node.name.partition("@")[0]: {
            key.lstrip("-"): str(value)
            for key, value in node.options.items()
            if key in ("-c", "-Q", "-l", "--time-limit")
        }
        for node in MultiParser(suffix="h").parse(parser)
    }
    ours = nodes(["celery", "multi", verb, *words])
    assert ours is not None
    mine = {}
    for name, call in ours.lines:
        given = parse(call[1:], frozenset({"worker"})).given
        keys = {"concurrency": "c", "queues": "Q", "log_level": "l", "time_limit": "time-limit"}
        mine[name.partition("@")[0]] = {keys[key]: value for key, (value, _) in given.items() if key in keys}
    assert mine == theirs
