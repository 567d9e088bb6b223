"""pytest plugin for kombu's tests: they ask for `redis://` or `memory`, and get the transport under test.

Loaded before the tests are, so that their `from kombu import Connection` finds ours.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest
import redis

KIND = os.environ["KOMBU_SUITE_KIND"]
URL = os.environ["KOMBU_SUITE_URL"]
FOLDER = Path(os.environ["KOMBU_SUITE_FOLDER"])
SECONDS = float(os.environ["KOMBU_SUITE_SECONDS"])
_DEAD_PORTS = (":12345", ":" + os.environ["KOMBU_SUITE_DEAD_PORT"])

if KIND != "stock":
    import fleet.kombu  # noqa: F401

_numbers = itertools.count()
_now: dict[str, Any] = {"file": FOLDER / "0.db", "class": None}  # the class that is tested, and its file


def translate(url: str) -> str:
    """One URL of kombu's tests as the transport under test writes it."""
    if KIND == "redis":
        return re.sub(r"^redis(s?)://", r"fleet-redis\1://", url)
    if KIND == "sqlite" and url.startswith("redis://"):
        is_dead = any(port in url for port in _DEAD_PORTS)
        return f"sqlite:///{FOLDER}/no/such/folder/x.db" if is_dead else f"sqlite:///{_now['file']}"
    return url


class Connection(kombu.Connection):  # type: ignore[misc]
    def __init__(self, hostname: Any = "localhost", *args: Any, **kwargs: Any) -> None:
        if isinstance(hostname, str) and "://" in hostname:
            hostname = ";".join(map(translate, hostname.split(";")))
        elif isinstance(hostname, (list, tuple)):
            hostname = [translate(each) for each in hostname]
        if kwargs.get("transport") == "memory" or hostname == "memory://":
            hostname = translate(URL)
            kwargs.pop("transport", None)
        super().__init__(hostname, *args, **kwargs)


kombu.Connection = kombu.connection.Connection = kombu.connection.BrokerConnection = Connection
kombu.BrokerConnection = Connection


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: Any) -> None:
    """An empty broker for each class, or function outside of one: some classes bind once."""
    if item.cls is not None and item.cls is _now["class"]:
        return
    _now.update({"class": item.cls, "file": FOLDER / f"{next(_numbers)}.db"})
    redis.Redis.from_url(URL).flushall()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: Any) -> Iterator[None]:
    """A test that waits for ever fails."""

    def give_up(*_: Any) -> None:
        pytest.fail(f"not done after {SECONDS:g} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """In the tests of kombu's virtual base, its classes are those of the transport under test."""
    for module in {item.module for item in items if item.module.__name__.endswith("virtual.test_base")}:
        classes = {"Channel": _channel(), "QoS": _channel().QoS}
        module.virtual = types.SimpleNamespace(**{**vars(module.virtual), **classes})
        module.client = module.memory_client = lambda **kw: kombu.Connection(transport="memory", **kw)


def _channel() -> Any:
    if KIND == "stock":
        from kombu.transport import redis as transport
    elif KIND == "redis":
        from fleet.broker.redis import kombu_transport as transport
    else:
        from fleet.broker.kombu_transport import transport
    return transport.Channel


def pytest_configure(config: Any) -> None:
    config.addinivalue_line("markers", "env(name): kombu's own")
    config.addinivalue_line("markers", "flaky(reruns, reruns_delay): not repeated here")
