"""Mistakes in `transport_options`: names that the client does not know, values that it does not take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.broker_url import amqp_parameters, redis_options
from fleet.broker_url.mistake import Mistake, meant, nearest, shown
from fleet.broker_url.parts import family


def of_options(url: str, options: Mapping[str, Any]) -> Iterator[Mistake]:
    match family(url):
        case "sqlite":
            for name in options:
                yield _idle(
                    name,
                    f"the embedded broker takes no transport options: `{name}` does nothing",
                    "remove it",
                )
        case "amqp":
            yield from _of_amqp(options)
        case "redis":
            yield from _of_redis_options(url, options)


def _of_amqp(options: Mapping[str, Any]) -> Iterator[Mistake]:
    for name in options:
        if name == "heartbeat":
            yield _idle(
                name,
                "`heartbeat` does nothing here: that of [broker] counts",
                'heartbeat = "30s" in [broker]',
            )
        elif name not in amqp_parameters.OPTIONS:
            close = nearest(name, amqp_parameters.OPTIONS)
            text = f"RabbitMQ's client knows no option `{shown(name)}`: it does nothing"
            yield _idle(name, text, f"did you mean {close}?" if close else "remove it")


def _idle(name: str, text: str, advice: str) -> Mistake:
    return Mistake("parameter", text, advice, option=(name,), harmless=True, by_name=True)


def _of_redis_options(url: str, options: Mapping[str, Any]) -> Iterator[Mistake]:
    yield from _of_table(options, redis_options.OPTIONS, ())
    if "visibility_timeout" in options:
        text = "`visibility_timeout` does nothing: fleet holds a message by a lease, and renews it while the task runs"
        yield _idle("visibility_timeout", text, "remove it, however long the tasks are")
    if isinstance(tls := options.get("ssl"), Mapping):
        yield from _of_table(tls, redis_options.TLS, ("ssl",))
    if isinstance(sentinels := options.get("sentinel_kwargs"), Mapping):
        yield from _of_table(sentinels, redis_options.SENTINEL, ("sentinel_kwargs",))
    if url.lower().startswith("sentinel:") and not options.get("master_name"):
        text = "sentinel:// without the name of the master that the sentinels watch"
        yield Mistake("url", text, 'transport_options = { master_name = "mymaster" }')


def _of_table(
    table: Mapping[str, Any], known: Mapping[str, str], above: tuple[str, ...]
) -> Iterator[Mistake]:
    for name, value in table.items():
        option = (*above, name)
        if name not in known:
            text = f"Redis' client knows no option `{shown(name)}`" + (f" of `{above[0]}`" if above else "")
            # At the top kombu looks for the names that it knows; below, the client is handed them all.
            yield Mistake("parameter", text, meant(name, known), option, harmless=not above, by_name=True)
        elif not redis_options.is_a(known[name], value):
            advice = redis_options.example(name, known[name], " = ")
            yield Mistake("parameter", f"the option `{name}` takes {known[name]}", advice, option)
