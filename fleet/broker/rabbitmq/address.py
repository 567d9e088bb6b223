"""The address that kombu is told for RabbitMQ: the URL without parameters, which mean something else to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.urls import mask_url
from fleet.broker_url import amqp_parameters

_MOST_CONNECT_SECONDS = 60.0


def parameters(url: str) -> amqp_parameters.AmqpParameters:
    """Raises BrokerUnavailable for one that can't be read."""
    try:
        return amqp_parameters.read(url)
    except ValueError as error:
        raise BrokerUnavailable(f"{mask_url(amqp_parameters.without(url))}: {error}") from None


def arguments(
    url: str, transport_options: Mapping[str, Any], *, connect_seconds: float
) -> tuple[str, dict[str, Any]]:
    """(the URL, keyword arguments of kombu's Connection). Raises BrokerUnavailable."""
    said = parameters(url)
    # The connection's own heartbeat is for the caller to say: not every connection is kept alive by somebody.
    options = {name: value for name, value in transport_options.items() if name != "heartbeat"}
    for name in ("channel_max", "frame_max"):
        if (number := getattr(said, name)) is not None:
            options.setdefault(name, number)
    given: dict[str, Any] = {
        "connect_timeout": min(said.connect_seconds or connect_seconds, _MOST_CONNECT_SECONDS),
        "transport_options": options,
    }
    if said.login_method is not None:
        given["login_method"] = said.login_method
    if said.tls:
        given["ssl"] = _tls(said.tls, url)
    return amqp_parameters.without(url), given


def _tls(said: Mapping[str, Any], url: str) -> dict[str, Any]:
    import ssl

    kinds = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
    tls = dict(said)
    if "cert_reqs" in tls:
        tls["cert_reqs"] = kinds[tls["cert_reqs"]]
    if tls.get("cert_reqs", ssl.CERT_REQUIRED) != ssl.CERT_NONE:
        # Who verifies wants to know whom. For each of several URLs kombu fills in the host, for "localhost" 127.0.0.1.
        tls.setdefault("server_hostname", None if ";" in url else urlsplit(url).hostname)
    return tls
