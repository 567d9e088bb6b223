"""The connections to Redis: kombu reads the address, redis-py connects, errors are fleet's.

Everything that goes wrong comes out as BrokerUnavailable. A connection that failed connects again on its
next use.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import SimpleNamespace, TracebackType
from typing import Any

from kombu import Connection as Url
from kombu.transport import redis as kombus
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ClusterCrossSlotError,
    ClusterError,
    NoScriptError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as LostConnection
from redis.retry import Retry

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.redis.address import Address, addresses
from fleet.broker.redis.refusals import (
    NO_CLUSTER,
    NotPermitted,
    is_no_permission,
    is_of_a_cluster,
    not_permitted,
)
from fleet.broker.urls import mask_url, opening, refuse_bad_url, scrub

OLDEST = (6, 2)  # LMOVE, BLMOVE, and RPOP with a count

ANSWER_SECONDS = 15.0
# kombu waits for ever by default: a half-open connection would hang a publish, or a whole worker.
_DEFAULTS = {
    "socket_connect_timeout": 5.0,
    "socket_keepalive": True,
}
_KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}  # names: macOS lacks some


_OF_A_CLUSTER = (AskError, ClusterCrossSlotError, ClusterError)  # AskError: MOVED, too


class Server:
    """The Redis that `url` and kombu's transport options name; opens connections to it.

    Of several URLs ("url;url") one is in use: where the claims are the waiting has to be, too. An answer is waited
    for `answer_seconds`, or what kombu's `socket_timeout` says.
    """

    def __init__(
        self, url: str, options: Mapping[str, Any], *, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        refuse_bad_url(url, options)
        self._url = url
        with opening(url):
            self._addresses = addresses(url, {"socket_timeout": answer_seconds, **options})
        self._at = 0
        self.masked_url = mask_url(url)
        self._pool = self._make_pool()
        self.translating = _Translating(url)

    def _make_pool(self) -> Any:
        address = self._addresses[self._at]
        with opening(address.written):
            return _pool(address)

    def connect(self) -> Wire:
        """One more to the server in use."""
        with self.translating, opening(self._url):
            wire = Wire(self, self._pool.get_connection())
        try:
            about = wire.about("server")
            if "cluster" in (about.get("redis_mode"), about.get("server_mode")):
                raise BrokerUnavailable(f"{mask_url(self._url)}: {NO_CLUSTER}")
            if (version := _version(about)) < OLDEST:
                raise BrokerUnavailable(
                    f"{mask_url(self._url)}: Redis {'.'.join(map(str, version))} is too old, fleet needs "
                    f"{'.'.join(map(str, OLDEST))} or newer"
                )
        except BaseException:
            wire.close()
            raise
        return wire

    def connect_anew(self) -> Wire:
        """The first, after which all others go to the same server: the one in use, else the next that answers.

        A replica that is not the only one named takes no messages, so it is passed over.
        """
        refusals = []
        for _ in self._addresses:
            try:
                wire = self.connect()
                if len(self._addresses) == 1 or wire.about("replication").get("role") != "slave":
                    return wire
                wire.close()
                shown = mask_url(self._addresses[self._at].written)
                refusals.append(BrokerUnavailable(f"{shown}: a replica of another Redis"))
            except BrokerUnavailable as error:
                refusals.append(error)
            if len(self._addresses) > 1:
                self._at = (self._at + 1) % len(self._addresses)
                self._pool = self._make_pool()
        if len(refusals) == 1:
            raise refusals[0]
        raise BrokerUnavailable("; ".join(dict.fromkeys(map(str, refusals))))

    def connect_apart(self) -> Wire:
        """One that shares nothing with the others, for another thread."""
        with self.translating, opening(self._url):
            return Wire(self, self._make_pool().get_connection())


class _Translating:
    """`with` this, what goes wrong is BrokerUnavailable. No generator: it is entered for every command."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None: ...

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if isinstance(error, (RedisError, OSError, UnicodeError)) and not isinstance(
            error, BrokerUnavailable
        ):
            raise self.translated(error) from error

    def translated(self, error: BaseException, script: str = "") -> BrokerUnavailable:
        """`script` is the source of the one that failed, if it was one."""
        text = scrub(str(error), self._url) or type(error).__name__
        shown = mask_url(self._url)
        if isinstance(error, RedisError) and is_no_permission(text):
            return NotPermitted(f"{shown}: {not_permitted(text, script)}")
        is_cluster = isinstance(error, _OF_A_CLUSTER) or is_of_a_cluster(text)
        return BrokerUnavailable(f"{shown}: {NO_CLUSTER} ({text})" if is_cluster else f"{shown}: {text}")


class Wire:
    """One connection, for one thread. Commands and replies are redis-py's: bytes, ints, lists, None."""

    def __init__(self, server: Server, connection: Any) -> None:
        self._server = server
        self._connection = connection

    def call(self, *command: Any) -> Any:
        return self.calls([command])[0]

    def calls(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """In one round trip. Raises the first error, all replies read."""
        self.send(commands)
        replies = [self._reply() for _ in commands]
        for reply in replies:
            if isinstance(reply, ResponseError):
                with self._server.translating:
                    raise reply
        return replies

    def script(
        self, sha: str, source: str, arguments: Sequence[Any], meanwhile: Callable[[], object] | None = None
    ) -> Any:
        """Run a script that the server has most likely seen before; and `meanwhile` until it has answered."""
        self.send([("EVALSHA", sha, 0, *arguments)])
        if meanwhile is not None:
            meanwhile()
        reply = self._reply()
        if isinstance(reply, NoScriptError):
            self.send([("EVAL", source, 0, *arguments)])
            reply = self._reply()
        if isinstance(reply, ResponseError):
            raise self._server.translating.translated(reply, source) from reply
        return reply

    def send(self, commands: Sequence[tuple[Any, ...]]) -> None:
        """Connects first if need be; the replies are for `receive`, one each."""
        with self._server.translating:
            self._connection.send_packed_command(self._connection.pack_commands(commands))

    def receive(self) -> Any:
        reply = self._reply()
        if isinstance(reply, ResponseError):
            with self._server.translating:
                raise reply
        return reply

    def _reply(self) -> Any:
        with self._server.translating:
            if self.is_gone:  # looking whether it is readable has found it broken
                raise LostConnection("the connection is gone")
            try:
                return self._connection.read_response()
            except ResponseError as error:
                return error

    @property
    def is_gone(self) -> bool:
        """Whether it has been found broken; the next use connects again."""
        return self._connection._sock is None

    def readable(self) -> bool:
        """Whether `receive` would not wait: it has a reply, or an error."""
        try:
            return bool(self._connection.can_read(0))
        except (RedisError, OSError):
            return True

    def fileno(self) -> int:
        return int(self._connection._sock.fileno())

    def about(self, section: str = "default") -> dict[str, str]:
        """What the server tells about itself; {} where its user may not ask, which nothing depends on."""
        try:
            text = bytes(self.call("INFO", section)).decode(errors="replace")
        except NotPermitted:
            return {}
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def close(self) -> None:
        with suppress(Exception):  # it may be broken in any way
            self._connection.disconnect()


# Never again by itself: a reservation that is sent twice claims twice. RESP2: nothing comes unasked.
_FORCED = {"retry": Retry(NoBackoff(), 0), "retry_on_timeout": False, "protocol": 2}


def _pool(address: Address) -> Any:
    """kombu's pool for this address, from its channel class but without a channel: that would connect."""
    merged = {**_DEFAULTS, "socket_keepalive_options": _keepalive(), **address.options}
    tls = {} if address.tls is None else {"ssl": dict(address.tls)}
    wanted = Url(address.url, transport_options=merged, **tls)
    kind = kombus.SentinelChannel if wanted.transport_cls == "sentinel" else kombus.Channel

    class Parameters(kind):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            port = 26379 if kind is kombus.SentinelChannel else kombus.DEFAULT_PORT
            self.connection = SimpleNamespace(client=wanted, default_port=port)
            for name in set(kind.from_transport_options) & merged.keys():
                setattr(self, name, merged[name])
            # kombu's default of 10 is about its own channels.
            self.max_connections = 2**31

        def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
            return {**super()._connparams(asynchronous), **_FORCED}

    return Parameters()._get_pool()


def _version(about: Mapping[str, str]) -> tuple[int, ...]:
    """A server that does not say counts as new enough."""
    said = about.get("redis_version")
    return OLDEST if said is None else tuple(int(part) for part in said.split(".")[:3] if part.isdigit())


def _keepalive() -> dict[int, int]:
    return {getattr(socket, name): seconds for name, seconds in _KEEPALIVE.items() if hasattr(socket, name)}
