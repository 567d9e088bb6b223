"""The workers of a group, each asked at its own port: found by a name that resolves to all of them."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from fleet.control import Report, read_report

_PATIENCE_SECONDS = 1.0
_MOST_BYTES = 2**20


class Workers:
    """`places` are "HOST:PORT", where a host may be many: a headless Service resolves to each of its pods."""

    def __init__(self, places: Iterable[str], pool: ThreadPoolExecutor) -> None:
        self._places = tuple(places)
        self._pool = pool

    def reports(self) -> dict[str, Report]:
        """By address. One that does not answer in time is left out: the next time it may."""
        addresses = sorted(set(self._pool.map(_resolved, self._places)), key=str)
        flat = [each for several in addresses for each in several]
        found = self._pool.map(_asked, flat)
        return {f"{host}:{port}": report for (host, port), report in zip(flat, found, strict=True) if report}


def _resolved(place: str) -> tuple[tuple[str, int], ...]:
    host, _, port = place.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return ()  # no pods: none are wanted, or none are there yet
    return tuple(sorted({(str(each[4][0]), int(port)) for each in found}))


def _asked(address: tuple[str, int]) -> Report | None:
    connection = http.client.HTTPConnection(*address, timeout=_PATIENCE_SECONDS)
    with suppress(OSError, http.client.HTTPException, ValueError):
        connection.request("GET", "/v1/worker")
        reply = connection.getresponse()
        text = reply.read(_MOST_BYTES)
        if reply.status == http.client.OK:
            return read_report(text)
    connection.close()
    return None
