"""What `fleet status` counts of a Celery app: each end that a task can have, in a column of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import TaskRevokedError

from tests.celery.conftest import APP, settings_of
from tests.conftest import Broker
from tests.contract.harness import Mailbox
from tests.running import RunningFleet
from tests.support import ROOT, eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

FILE = """\
[fleet]
name = "counts"
app = "{app}:app"
pythonpath = ["{root}"]

[broker]
url = "{url}"

[queues."{queue}"]
workload = "io"

[workers.main]
queues = ["{queue}"]
pool = "threads"
concurrency = 2
"""


@pytest.fixture
def client(broker: Broker, redis_url: str) -> Iterator[tuple[Celery, Mailbox]]:
    if broker.name not in ("redis", "amqp"):
        pytest.skip("the broker makes no difference")
    mailbox = Mailbox(broker)
    client = Celery("client", set_as_current=False)
    client.conf.update(settings_of(broker, mailbox, redis_url))
    yield client, mailbox
    client.close()
    mailbox.close()
    Broker("redis", redis_url, broker.token).clean()


def test_status_counts_what_was_retried_rejected_revoked_and_expired(
    client: tuple[Celery, Mailbox], broker: Broker, redis_url: str, short_folder: Path
) -> None:
    celery, mailbox = client
    text = FILE.format(app=APP, root=ROOT, url=broker.url, queue=mailbox.queue.name)
    (short_folder / "fleet.toml").write_text(text)
    shop = {
        "CELERY_SHOP": json.dumps(settings_of(broker, mailbox, redis_url)),
        "CELERY_SHOP_JOURNAL": str(short_folder / "journal"),
    }

    def send(task: str, *args: Any, **options: Any) -> Any:
        return celery.signature(f"{APP}.{task}", args=args).apply_async(**options)

    with RunningFleet(short_folder, env=shop) as fleet:
        assert send("add", 1, 2).get(timeout=30) == 3
        assert send("third_time_lucky").get(timeout=30) == 2
        with pytest.raises(ValueError, match="no"):
            send("boom", "no").get(timeout=30)
        send("rejects")
        revoked = send("late", "revoked", countdown=4)
        eventually(
            lambda: celery.control.revoke(revoked.id, reply=True, timeout=1), within=30, message="it is told"
        )
        with pytest.raises(TaskRevokedError):
            revoked.get(timeout=30)
        # RabbitMQ drops by itself what has a time to live; an absolute date that is past comes through.
        expired = send("add", 1, 2, expires=datetime.now(UTC) - timedelta(seconds=30))
        counts = {"succeeded": 2, "failed": 1, "retried": 2, "rejected": 1, "revoked": 1}
        if broker.name == "redis":
            with pytest.raises(TaskRevokedError):
                expired.get(timeout=30)
            counts["expired"] = 1

        def counted() -> bool:
            (worker,) = fleet.group("main")["workers"]
            found = {name: worker[name] for name in counts}
            assert found == counts
            return True

        eventually(counted, within=30, message=f"{counts}")
        said = fleet.command("status", check=False).stdout.lower()
        assert all(name in said for name in ("retried", "rejected", "revoked"))
