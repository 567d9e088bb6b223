"""Send the messages of one run, each until its send has returned: `… -m tests.chaos.publisher FOLDER WORK`.

A process of its own, as a web application would be one: `send` goes through the proxy and reads the
fleet.toml that is being edited. Prints a line when the first half is there and one at the end.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.journal import Journal
from tests.chaos.messages import Work

Send = Callable[[int, float], object]
SendAs = Callable[[str], Send]

_PAUSE_SECONDS = 0.1


def publish(work: Work, journal: Journal, send_as: SendAs, errors: tuple[type, ...]) -> None:
    """`send_as(fate)` one message after the other; after one of `errors` the same again."""
    begun = time.monotonic()
    for number, seconds in enumerate(work.seconds()):
        if number == work.at_once:
            print("half", flush=True)
            begun = time.monotonic()
        if number > work.at_once:
            due = begun + (number - work.at_once) / work.per_second
            time.sleep(max(0.0, due - time.monotonic()))
        _persist(number, seconds, journal, send_as(work.fate(number)), errors)
    print("all", flush=True)


def _persist(number: int, seconds: float, journal: Journal, send: Send, errors: tuple[type, ...]) -> None:
    begun = time.monotonic()
    tries = 1
    while True:
        try:
            send(number, seconds)
        except errors as error:
            print(f"{number}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            tries += 1
            time.sleep(_PAUSE_SECONDS)
        else:
            journal.published(number, tries, begun)
            return


def main(folder: Path, work: Work) -> None:
    from fleet import BrokerUnavailable, configure
    from tests.chaos import app

    configure(str(folder / "fleet.toml"))
    publish(
        work, Journal(str(folder / "journal")), lambda fate: getattr(app, fate).send, (BrokerUnavailable,)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Work(**json.loads(sys.argv[2])))
