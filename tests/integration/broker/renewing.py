"""`… -m tests.integration.broker.renewing POOL URL QUEUE`: a green loop settles, a real thread renews beside it."""

from __future__ import annotations

import sys

_ROUNDS = 300
_PAUSE_SECONDS = 0.0002


def main(pool: str, url: str, queue: str) -> None:
    from fleet.worker import monkey

    monkey.patch(pool)
    from fleet.broker.consumer import Subscription
    from fleet.broker.link import Link
    from fleet.spec import BrokerSpec, QueueSpec
    from fleet.worker import unpatched

    sys.setswitchinterval(1e-5)  # that they meet often
    link = Link(Subscription(BrokerSpec(url), [QueueSpec(queue)], prefetch=10, identity=f"{queue}@renewing"))
    link.connect()

    def renew() -> None:
        while True:
            link.renew()
            unpatched.sleep(_PAUSE_SECONDS)

    unpatched.start_thread(renew, ())
    for _ in range(_ROUNDS):
        if url.startswith("amqp"):
            link.pause()
            link.resume()
        else:
            link.connect()
    print("done", flush=True)


if __name__ == "__main__":
    import os

    main(*sys.argv[1:])
    os._exit(0)
