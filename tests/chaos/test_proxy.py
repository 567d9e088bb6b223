"""The proxy between fleet and its broker: bytes pass unchanged, plain or from TLS, and a witness hears of them."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.chaos.brokers import certificate
from tests.chaos.proxy import Proxy
from tests.support import eventually

MESSAGE = bytes(range(256)) * 2000


class Noted:
    """A Talk."""

    def __init__(self) -> None:
        self.asked, self.answered, self.by = bytearray(), bytearray(), ""

    def passed(self, data: bytes, at: float, *, from_client: bool) -> None:
        (self.asked if from_client else self.answered).extend(data)

    def ended(self, by: str) -> None:
        self.by = by


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back whatever it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answer, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def _answer(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_repeat, args=(client,), daemon=True).start()


def _repeat(client: socket.socket) -> None:
    with suppress(OSError), client:
        while data := client.recv(65536):
            client.sendall(data)


def exchange(client: socket.socket) -> bytes:
    client.settimeout(30)
    threading.Thread(target=client.sendall, args=(MESSAGE,), daemon=True).start()
    got = bytearray()
    while len(got) < len(MESSAGE):
        got += client.recv(65536)
    return bytes(got)


def test_what_passes_is_what_was_sent_and_a_witness_hears_it(echo: int) -> None:
    noted = Noted()
    proxy = Proxy(echo, lambda: noted)
    try:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            assert exchange(client) == MESSAGE
            # The client may have them before they are noted.
            eventually(lambda: (noted.asked, noted.answered) == (MESSAGE, MESSAGE), message="all is noted")
            proxy.cut()
            assert noted.by == "cut"
    finally:
        proxy.close()


def test_the_side_that_ends_a_connection_is_named(echo: int) -> None:
    noted = Noted()
    proxy = Proxy(echo, lambda: noted)
    try:
        socket.create_connection(("127.0.0.1", proxy.port)).close()
        eventually(lambda: noted.by == "client")
    finally:
        proxy.close()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_clients_of_a_proxy_with_a_certificate_speak_tls(echo: int, tmp_path: Path) -> None:
    signed, key = certificate(tmp_path)
    noted = Noted()
    proxy = Proxy(echo, lambda: noted, (signed, key))
    try:
        context = ssl.create_default_context(cafile=str(signed))
        plain = socket.create_connection(("127.0.0.1", proxy.port))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            client.settimeout(30)
            for begin in range(0, len(MESSAGE), 100_000):
                part = MESSAGE[begin : begin + 100_000]
                client.sendall(part)
                got = bytearray()
                while len(got) < len(part):
                    got += client.recv(65536)
                assert got == part
        eventually(lambda: noted.asked == MESSAGE, message="all is noted")
    finally:
        proxy.close()
