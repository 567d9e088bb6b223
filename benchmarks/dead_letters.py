"""How soon the page of dead letters is there when very many lie there: `python -m benchmarks.dead_letters URL...`.

What is timed is the whole answer to `GET api/dead`, which the screen Failed asks for first, without its HTTP.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from fleet.broker.delivery import Death, Delivery
from fleet.broker.open import open_dead_letters
from fleet.broker.producer import Producer
from fleet.broker.reposting import dead_letter
from fleet.dashboard.letters import LetterFilter, page
from fleet.protocol import Call, encode
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec

COUNT = 200_000
_BATCH = 2000
_ASKED = (("first page", LetterFilter(), 0), ("nothing fits", LetterFilter(text="nowhere"), 0))


def main(urls: list[str]) -> None:
    for url in urls:
        with tempfile.TemporaryDirectory() as folder:
            spec, name = BrokerSpec(url.replace("FOLDER", folder)), f"bench-{os.getpid()}"
            queue = QueueSpec(name, dead_letter=f"{name}.dead")
            file = Path(folder) / "routing.json"
            file.write_text(RoutingSpec(spec, (queue,), ()).to_json())
            _bury(spec, name)
            for what, wanted, offset in _ASKED:
                began = time.monotonic()
                found = page(file, wanted, offset, 50)
                seconds, scheme = time.monotonic() - began, url.partition(":")[0]
                examined = f"{found['examined']:,} of {found['total']:,} examined"
                sys.stdout.write(
                    f"{scheme}: {what}: {seconds:.2f} s, {examined}, load {os.getloadavg()[0]:.0f}\n"
                )
                sys.stdout.flush()
            _forget(spec, f"{name}.dead")


def _bury(spec: BrokerSpec, name: str) -> None:
    producer = Producer(spec)
    death = Death(
        "ValueError: no", at=time.time(), worker="web/0", traceback="Traceback\n  x", exit_signal=None
    )
    for first in range(0, COUNT, _BATCH):
        made = [
            encode(Call(f"m{number:06}", "shop.resize", args=(number,)))
            for number in range(first, first + _BATCH)
        ]
        deliveries = [Delivery(None, name, each.body, each.headers, each.properties) for each in made]
        producer.publish(
            [dead_letter(each, death, f"{name}.dead") for each in deliveries], QueueSpec(f"{name}.dead")
        )


def _forget(spec: BrokerSpec, dead: str) -> None:
    letters = open_dead_letters(spec)
    assert letters is not None
    while taken := letters.take(dead, _BATCH):
        letters.drop(taken)
    letters.close()


if __name__ == "__main__":
    main(sys.argv[1:])
