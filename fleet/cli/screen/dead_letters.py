"""The dead letters of queues, sent back or deleted for `fleet top`; noted by the controller, as `fleet dead` is."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.cli.running.api_client import ApiClient
from fleet.cli.screen.acting import PURGE, RETRY
from fleet.visible import visible

if TYPE_CHECKING:
    from fleet.broker.dead_letter_record import DeadLetterRecord

_DONE = {RETRY: "sent back", PURGE: "deleted"}


def counted(meant: Mapping[str, Any], path: Path, env: str | None) -> int:
    """How many dead letters `meant` chooses: of `queues`, and of a `task` and an `error` where they are said."""
    from fleet.cli.running.dead_choice import opened

    with opened(path, env, tuple(meant["queues"])) as dead:
        if dead.browser is None:
            return 0
        with closing(dead.browser.scan()) as records:
            return sum(dead.selects(record) and _fits(record, meant) for record in records)


def _fits(record: DeadLetterRecord, meant: Mapping[str, Any]) -> bool:
    if "error" not in meant:
        return True
    return (visible(record.task), visible(record.error)) == (meant["task"], meant["error"])


def deal(
    verb: str, arguments: dict[str, Any], path: Path, env: str | None, client: ApiClient
) -> Iterator[str]:
    """How many of those that `counted` counts are done, batch by batch; `most` at most, as was confirmed."""
    from fleet.cli.running.dead_choice import opened

    done = 0
    queues, most = list(arguments["queues"]), int(arguments["most"])
    chosen = 0
    try:
        with opened(path, env, tuple(queues)) as dead:

            def chooses(record: DeadLetterRecord) -> bool:
                nonlocal chosen
                meant = chosen < most and dead.selects(record) and _fits(record, arguments)
                chosen += meant
                return meant

            if dead.browser is not None:
                browser = dead.browser
                batches = browser.drop(chooses) if verb == PURGE else _moved(browser.bring_back(chooses))
                with closing(batches):
                    for moved in batches:
                        done += moved
                        yield f"{_DONE[verb]} {done:,} of {most:,} …"
                        if chosen >= most:
                            break
    finally:
        outcome = f"{_DONE[verb]} {done} message{'' if done == 1 else 's'}"
        meant = {name: value for name, value in arguments.items() if name != "most"}
        client.post(f"/commands/{verb}", {"all": "error" not in meant, **meant, "outcome": outcome})
    yield outcome


def _moved(batches: Generator[tuple[int, list[DeadLetterRecord]], None, None]) -> Generator[int, None, None]:
    with closing(batches):
        for moved, _homeless in batches:
            yield moved
