"""A TCP proxy between fleet and its broker that can cut, freeze, refuse and forget connections.

A witness, if there is one, is told what each connection has handed on, and how it ended. With a certificate
clients speak TLS to it; what goes on to the broker is plain.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_MOST_UNSENT = 1 << 20
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Talk(Protocol):
    """What a witness notes of one connection; called in the proxy's thread."""

    def passed(self, data: bytes, at: float, *, from_client: bool) -> None: ...

    def ended(self, by: str) -> None:
        """`by`: "client", "broker", or what the proxy was told to do: cut, half_open, refuse."""


class Silence:
    """The Talk of which nobody wants to know."""

    def passed(self, data: bytes, at: float, *, from_client: bool) -> None: ...

    def ended(self, by: str) -> None: ...


class Pipe:
    """One direction of a connection: bytes read from `source` and not yet taken by `sink`."""

    def __init__(self, source: socket.socket, sink: socket.socket, talk: Talk, *, from_client: bool) -> None:
        self.source, self.sink, self.unsent, self.ended = source, sink, bytearray(), False
        self.talk, self.from_client = talk, from_client


class Proxy:
    """Listens on `port` of localhost, forwards to `target`. One thread does it; methods are for others."""

    def __init__(
        self, target: int, witness: Callable[[], Talk] = Silence, certificate: tuple[Path, Path] | None = None
    ) -> None:
        self.target = target
        self._witness = witness
        self._tls = _tls(*certificate) if certificate else None
        self._listener = _listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._orders: SimpleQueue[tuple[Callable[[], None], threading.Event]] = SimpleQueue()
        self._wake, self._ear = socket.socketpair()
        self._connections: dict[socket.socket, tuple[Pipe, Pipe]] = {}  # by either socket
        self._forgotten: list[socket.socket] = []
        self._frozen = False
        self._closed = False
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="chaos-proxy", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Reset all connections; new ones are welcome."""
        self._order(self._cut)

    def freeze(self) -> None:
        """Nothing moves any more, on old connections and new ones, and nobody is told. Until `thaw`."""
        self._order(lambda: self._set_frozen(True))

    def thaw(self) -> None:
        self._order(lambda: self._set_frozen(False))

    def half_open(self) -> None:
        """The connections of now stay open for ever, and silent; new ones work."""
        self._order(self._forget)

    def refuse(self) -> None:
        """Reset all connections, refuse new ones. Until `accept`."""
        self._order(self._refuse)

    def accept(self) -> None:
        self._order(self._accept)

    def close(self) -> None:
        self._order(self._end)
        self._thread.join(5)

    def _order(self, action: Callable[[], None]) -> None:
        done = threading.Event()
        self._orders.put((action, done))
        self._wake.send(b"!")
        if not done.wait(10):
            raise RuntimeError("the chaos proxy does not answer")

    # Below: in the proxy's own thread

    def _run(self) -> None:
        while not self._closed:
            for key, events in self._selector.select():
                if key.fileobj is self._ear:
                    self._obey()
                elif key.fileobj is self._listener:
                    self._welcome()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._connections:
                    self._serve(key.fileobj, events)

    def _obey(self) -> None:
        self._ear.recv(4096)
        while not self._orders.empty():
            action, done = self._orders.get()
            action()
            done.set()

    def _welcome(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # it has gone again, or an order has just closed the listener
        try:
            broker = socket.create_connection(("127.0.0.1", self.target), timeout=2)
        except OSError:
            _reset(client)
            return
        for each in (client, broker):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            each.setblocking(False)
        if self._tls is not None:
            client = self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        talk = self._witness()
        pipes = Pipe(client, broker, talk, from_client=True), Pipe(broker, client, talk, from_client=False)
        self._connections[client] = self._connections[broker] = pipes
        for each in (client, broker):
            self._interest(each)

    def _serve(self, side: socket.socket, events: int) -> None:
        try:
            for pipe in self._connections[side]:
                if pipe.source is side and events & selectors.EVENT_READ:
                    _read(pipe)
                _write(pipe)
        except OSError:
            self._drop(side, _end_of(side, self._connections[side]))
            return
        pipes = self._connections[side]
        for pipe in pipes:
            if pipe.ended and not pipe.unsent:
                self._drop(side, _end_of(pipe.source, pipes))
                return
        for pipe in pipes:
            self._interest(pipe.source)

    def _interest(self, side: socket.socket) -> None:
        events = 0
        for pipe in self._connections[side]:
            if pipe.source is side and len(pipe.unsent) < _MOST_UNSENT and not pipe.ended:
                events |= selectors.EVENT_READ
            if pipe.sink is side and pipe.unsent:
                events |= selectors.EVENT_WRITE
        self._watch(side, 0 if self._frozen else events)

    def _watch(self, side: socket.socket, events: int) -> None:
        registered = side in self._selector.get_map()
        if events and registered:
            self._selector.modify(side, events)
        elif events:
            self._selector.register(side, events)
        elif registered:
            self._selector.unregister(side)

    def _drop(self, side: socket.socket, by: str) -> None:
        self._connections[side][0].talk.ended(by)
        for each in {pipe.source for pipe in self._connections[side]}:
            self._watch(each, 0)
            del self._connections[each]
            _reset(each)

    def _cut(self, by: str = "cut") -> None:
        for side in list(self._connections):
            if side in self._connections:
                self._drop(side, by)

    def _set_frozen(self, frozen: bool) -> None:
        self._frozen = frozen
        self._watch(self._listener, 0 if frozen else selectors.EVENT_READ)
        for side in self._connections:
            self._interest(side)

    def _forget(self) -> None:
        for side in list(self._connections):
            self._watch(side, 0)
            self._connections[side][0].talk.ended("half_open")
            self._forgotten.append(side)
        self._connections.clear()

    def _refuse(self) -> None:
        self._cut("refuse")
        self._watch(self._listener, 0)
        self._listener.close()

    def _accept(self) -> None:
        self._listener = _listen(self.port)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def _end(self) -> None:
        self._cut()
        for side in (*self._forgotten, self._listener):
            side.close()
        self._closed = True


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    return listener


def _tls(signed: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed, key)
    return context


def _end_of(side: socket.socket, pipes: tuple[Pipe, Pipe]) -> str:
    return "client" if side is pipes[0].source else "broker"


def _read(pipe: Pipe) -> None:
    with suppress(*_NOT_NOW):
        while True:
            data = pipe.source.recv(65536)
            pipe.unsent += data
            pipe.ended = not data
            # What OpenSSL has read ahead no selector tells of.
            if not (isinstance(pipe.source, ssl.SSLSocket) and pipe.source.pending()):
                return


def _write(pipe: Pipe) -> None:
    with suppress(*_NOT_NOW):
        while pipe.unsent:
            at = time.monotonic()
            taken = pipe.sink.send(pipe.unsent)
            pipe.talk.passed(bytes(pipe.unsent[:taken]), at, from_client=pipe.from_client)
            del pipe.unsent[:taken]


def _reset(side: socket.socket) -> None:
    with suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    side.close()
