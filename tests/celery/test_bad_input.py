"""What is wrong around a Celery app: a backend that is away, results that can't be encoded, no Celery or another."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from kombu.exceptions import EncodeError

from fleet.celery import loading
from fleet.worker.errors import BootFailed
from tests.brokers import OwnRedis
from tests.celery.conftest import Shop, on, open_shop
from tests.conftest import Broker
from tests.support import eventually


@pytest.mark.process
@pytest.mark.broker
def test_a_result_backend_that_is_away_loses_no_task(
    broker: Broker, redis_url: str, own_redis: OwnRedis, short_folder: Path
) -> None:
    """The message waits in the broker, and its task runs again when the result can be stored."""
    if broker.name not in ("redis", "amqp"):
        pytest.skip("the broker makes no difference")
    conf = {
        "result_backend": own_redis.url,
        "result_backend_transport_options": {"retry_policy": {"timeout": 1.0}},
        "redis_socket_connect_timeout": 1,
        "redis_retry_on_timeout": False,
        "result_backend_always_retry": False,
    }
    with open_shop("prefork", broker, redis_url, short_folder, conf=conf) as shop:
        assert shop.run("add", 1, 2) == 3
        own_redis.stop()
        shop.mailbox.send("tests.celery.shop.late", "kept")
        shop.until_noted("late ended", key="kept")
        shop.until_log("could not be recorded")
        own_redis.start()
        shop.until_noted("late ended", 2, key="kept")
        eventually(lambda: shop.mailbox.waiting() == 0, within=30, message="it is done")
        assert shop.run("add", 1, 2) == 3


@pytest.mark.process
@pytest.mark.broker
@on(("prefork", "redis"), ("threads", "redis"))
def test_a_result_that_cant_be_encoded_is_the_tasks_failure(shop: Shop) -> None:
    with pytest.raises(EncodeError, match="not JSON serializable"):
        shop.run("returns_an_object")
    assert shop.run("add", 1, 2) == 3


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        (None, "needs Celery, which is not installed: pip install 'fleet-workers[celery]'"),
        ("5.5.3", "Celery 5.5.3 is installed, and fleet knows 5.6 and 5.7: pip install 'celery>=5.6,<5.8'"),
        ("6.0.0", "Celery 6.0.0 is installed"),
    ],
)
def test_no_celery_or_another_one_is_said_with_the_remedy(
    installed: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(_name: str) -> str:
        if installed is None:
            raise PackageNotFoundError
        return installed

    monkeypatch.setattr(loading, "version", version)
    with pytest.raises(BootFailed) as caught:
        loading.find_app("shop.celery:app")
    assert said in str(caught.value)
