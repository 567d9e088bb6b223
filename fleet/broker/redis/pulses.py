"""The pulses of hosts on Redis: one hash of each fleet, stamped with the server's time."""

from __future__ import annotations

from hashlib import sha1
from typing import Any

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.pulses import KEPT_SECONDS
from fleet.broker.redis import scripts
from fleet.broker.redis.connect import Server, Wire
from fleet.broker.redis.keys import Keys
from fleet.spec import BrokerSpec

# With commands that fleet needs anyway: no new right of the user.
_PUBLISH = """
local key, id, text, kept = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
for _, other in ipairs(redis.call('HKEYS', key)) do
  local at = tonumber(string.match(redis.call('HGET', key, other), '^%d+'))
  if not at or now() - at > kept then redis.call('HDEL', key, other) end
end
if text == '' then redis.call('HDEL', key, id)
else redis.call('HSET', key, id, string.format('%.0f ', now()) .. text) end
"""
_HEARD = """
local found = {string.format('%.0f', now())}
for _, id in ipairs(redis.call('HKEYS', ARGV[1])) do
  found[#found + 1] = id
  found[#found + 1] = redis.call('HGET', ARGV[1], id)
end
return found
"""


class RedisPulses:
    """See Pulses."""

    remembers = True

    def __init__(self, broker: BrokerSpec, fleet: str) -> None:
        self._server = Server(broker.url, broker.transport_options)
        self._keys = Keys.from_options(broker.transport_options)
        self._key = self._keys.pulses(fleet)
        self._wire: Wire | None = None

    def publish(self, host: str, text: str) -> None:
        self._run(_PUBLISH, host, text, int(KEPT_SECONDS * 1000))

    def heard(self) -> dict[str, tuple[str, float]]:
        now, *flat = self._run(_HEARD)
        found = {}
        for host, said in zip(flat[::2], flat[1::2], strict=True):
            at, _, text = said.decode(errors="replace").partition(" ")
            if at.isdecimal():
                found[host.decode(errors="replace")] = (text, max(0.0, (int(now) - int(at)) / 1000))
        return {host: each for host, each in found.items() if each[1] <= KEPT_SECONDS}

    def _run(self, body: str, *arguments: Any) -> Any:
        if self._wire is None:
            self._wire = self._server.connect_anew()
        source = scripts.complete(self._keys.lua(), body)
        sha = sha1(source.encode(), usedforsecurity=False).hexdigest()
        try:
            return self._wire.script(sha, source, (self._key, *arguments))
        except BrokerUnavailable:
            self.close()
            raise

    def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
