"""The scripts of fleet's Redis transport, run by a real Lua over simulated data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lupa import lua51

from tests.simulated.redis_data import RefusedError, number

Call = Callable[[bytes, list[bytes]], Any]


class Lua:
    """One interpreter for a whole process: compiling is what costs. `call` is where redis.call goes just now."""

    def __init__(self) -> None:
        self._runtime = lua51.LuaRuntime(encoding=None)
        self._compiled: dict[bytes, Any] = {}
        self._call: Call
        self._table = self._runtime.table_from
        self._runtime.globals()[b"fleet_call"] = self._from_lua
        self._runtime.execute(b"redis = {call = function(...) return fleet_call(...) end}")
        self._refusal: RefusedError | None = None

    def run(self, source: bytes, arguments: list[bytes], call: Call) -> Any:
        """The reply as Redis would send it. Raises RefusedError."""
        if source not in self._compiled:
            self._compiled[source] = self._runtime.eval(b"function(ARGV, KEYS) " + source + b"\nend")
        self._call, self._refusal = call, None
        try:
            return self._reply(self._compiled[source](self._table(arguments), self._table([])))
        except (lua51.LuaError, RefusedError) as error:
            raise self._refusal or RefusedError(f"ERR {error}") from error

    def _from_lua(self, command: bytes, *arguments: Any) -> Any:
        try:
            reply = self._call(command.upper(), [_argument(each) for each in arguments])
        except RefusedError as error:
            self._refusal = error
            raise
        if reply is None:
            return False
        return self._table(reply) if isinstance(reply, list) else reply

    def _reply(self, value: Any) -> Any:
        """Lua's false is nil, its numbers lose what is behind the point."""
        if value is None or value is False:
            return None
        if value is True:
            return 1
        if isinstance(value, bytes):
            return value
        if isinstance(value, int | float):
            return int(value)
        return [self._reply(value[index]) for index in range(1, len(value) + 1)]


def _argument(value: Any) -> bytes:
    return value if isinstance(value, bytes) else number(value)
