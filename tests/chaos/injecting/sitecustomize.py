"""Bugs made on purpose in the workers of a run, to see whether the judge finds them. First on PYTHONPATH, it is.

$CHAOS_INJECT is "KIND SHARE FILE": that share of all messages is lost (acked without having run), given back
though done ("requeue"), or published again though done ("double"); each is noted in FILE. The import of the
module is waited for, not made: what a worker may import before it has patched is little.
"""

import os
import sys
from importlib.machinery import PathFinder

_TARGET = "fleet.worker.connection"


class _Finder(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname != _TARGET:
            return None
        spec = super().find_spec(fullname, path, target)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            _inject(module)

        spec.loader.exec_module = exec_module
        return spec


def _inject(module):
    import random
    import re

    kind, share, path = os.environ["CHAOS_INJECT"].split(" ", 2)
    chance = random.Random(os.getpid())
    connection = module.BrokerConnection
    ack, receive = connection.ack, connection.receive
    number = re.compile(rb"\[\[(\d+)")

    def chosen(delivery):
        return "x-injected" not in delivery.headers and chance.random() < float(share)

    def note(delivery):
        with open(path, "a") as file:  # noqa: PTH123
            file.write(f"{kind} {int(number.match(delivery.body)[1])}\n")

    def bad_ack(self, delivery):
        if kind == "loss" or not chosen(delivery):
            ack(self, delivery)
        elif kind == "requeue":
            note(delivery)
            self.requeue([delivery], counted=False)
        else:
            note(delivery)
            delivery.headers["x-injected"] = 1
            self.retry(delivery, 0.0, 0)

    def bad_receive(self, timeout):
        arrived = receive(self, timeout)
        lost = [each for each in arrived if kind == "loss" and chosen(each)]
        for each in lost:
            note(each)
            ack(self, each)
        return [each for each in arrived if each not in lost]

    connection.ack, connection.receive = bad_ack, bad_receive


if "CHAOS_INJECT" in os.environ:
    sys.meta_path.insert(0, _Finder)
