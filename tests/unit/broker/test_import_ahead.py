"""What a worker imports before it needs it: then files that are replaced while it runs do no harm."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import ROOT

# To be opened to nowhere: what is imported by then is all that is.
SEND = """
import sys
from contextlib import suppress
from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.import_ahead import import_for
from fleet.protocol import Encoded
from fleet.spec import BrokerSpec, QueueSpec
from fleet.broker.urls import scheme
url = sys.argv[1]
import_for(scheme(url), publishes=True)
before = set(sys.modules)
from fleet.broker.producer import Producer
with suppress(BrokerUnavailable):
    Producer(BrokerSpec(url)).publish([Posting("q", Encoded(b"{}", {}, {}))], QueueSpec("q"))
print(*sorted(name for name in set(sys.modules) - before if name.startswith("fleet")))
"""


@pytest.mark.parametrize("url", ["sqlite:///broker.db", "redis://127.0.0.1:1/0", "amqp://127.0.0.1:1/"])
def test_the_first_message_that_a_worker_sends_imports_nothing_of_fleet(url: str, short_folder: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SEND, url],
        cwd=short_folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.split() == []
