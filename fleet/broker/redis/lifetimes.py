"""The lifetimes of queues and their messages, on Redis: see Lifetimes. One script each, on the store's connection,
by the commands that the store's own scripts need: a user with their rights may run these, too.

A queue's lifetime is a field of the hash `lifetimes`, who uses it is a set of owners, and when it ends unused
a member of `unused`. `gone` remembers what has ended.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fleet.broker.delivery import Posting
from fleet.broker.leased.lifetimes import GONE_SECONDS, Lifetime
from fleet.broker.redis.store import RedisStore
from fleet.clock import time

_CLOCK_SECONDS = 30.0  # so long the distance of the server's clock to ours is taken to be the same

_COMMON = r"""
local LIFETIMES, UNUSED, GONE = own('lifetimes'), own('unused'), own('gone')
local function users(queue) return own('users', queue) end

local function lifetime(queue)
  local text = redis.call('HGET', LIFETIMES, queue)
  if not text then return nil end
  local temporary, expires, ttl = string.match(text, '^(%d):(%-?%d+):(%-?%d+)$')
  return temporary == '1', tonumber(expires), tonumber(ttl)
end

local function unbind(queue)
  local tail = SEP .. queue
  for _, exchange in ipairs(redis.call('SMEMBERS', own('exchanges'))) do
    for _, kind in ipairs({'_kombu.binding.', '_kombu.binding_permanent.'}) do
      local key = PREFIX .. kind .. exchange
      for _, member in ipairs(redis.call('SMEMBERS', key)) do
        if string.sub(member, -#tail) == tail then redis.call('SREM', key, member) end
      end
    end
  end
end

local function forget(queue)
  redis.call('HDEL', LIFETIMES, queue)
  redis.call('ZREM', UNUSED, queue)
  redis.call('DEL', users(queue))
end

local function drop(queue, time)
  for _, step in ipairs(STEPS) do redis.call('DEL', ready(queue, step)) end
  for _, owner in ipairs(redis.call('ZRANGE', OWNERS, 0, -1)) do
    redis.call('DEL', claims(owner, queue))
    for _, step in ipairs(STEPS) do redis.call('DEL', moved(owner, queue, step)) end
  end
  redis.call('DEL', due(queue))
  redis.call('SREM', QUEUES, queue)
  redis.call('SREM', PRIORITISED, queue)
  unbind(queue)
  forget(queue)
  redis.call('ZADD', GONE, time + GONE_MS, queue)
end

-- Whoever was first in is first out: behind a message that may stay, none is too old.
local function drop_too_old(queue, before)
  for _, step in ipairs(STEPS) do
    for _ = 1, 1000 do
      local raw = redis.call('LINDEX', ready(queue, step), -1)
      local since = raw and tonumber(string.match(raw, '^{%s*"fleet":%s*%[%d+,%s*(%d+)%]'))
      if not since or since == 0 or since >= before then break end
      redis.call('RPOP', ready(queue, step))
    end
  end
end

-- `left`: a user has left in this moment.
local function review(queue, time, left)
  local temporary, expires, ttl = lifetime(queue)
  if temporary == nil then return end
  local is_used = false
  for _, user in ipairs(redis.call('SMEMBERS', users(queue))) do
    if redis.call('ZSCORE', OWNERS, user) then
      is_used = true
    else
      left = true
      redis.call('SREM', users(queue), user)
    end
  end
  if temporary and left and not is_used then return drop(queue, time) end
  if expires >= 0 then
    local deadline = redis.call('ZSCORE', UNUSED, queue)
    if is_used or left or not deadline then
      redis.call('ZADD', UNUSED, time + expires, queue)
    elseif tonumber(deadline) <= time then
      return drop(queue, time)
    end
  end
  if ttl >= 0 then drop_too_old(queue, time - ttl) end
end
"""

# queue, its lifetime or ''
_DECLARE = r"""
local queue = ARGV[1]
redis.call('SADD', QUEUES, queue)
redis.call('ZREM', GONE, queue)
if ARGV[2] ~= '' then redis.call('HSET', LIFETIMES, queue, ARGV[2]) end
local temporary, expires = lifetime(queue)
if expires and expires >= 0 then redis.call('ZADD', UNUSED, now() + expires, queue) end
"""

# owner, lease in ms, queues… → (queue, lifetime) of those that have one
_USE = r"""
allow_when_full()
redis.call('ZADD', OWNERS, now() + ARGV[2], ARGV[1])
local found = {}
for _, queue in ipairs(rest(3)) do
  local text = redis.call('HGET', LIFETIMES, queue)
  if text then
    redis.call('SADD', users(queue), ARGV[1])
    found[#found + 1] = queue
    found[#found + 1] = text
  end
end
return found
"""

# owner, queues…
_UNUSE = r"""
allow_when_full()
local time = now()
for _, queue in ipairs(rest(2)) do
  if redis.call('SREM', users(queue), ARGV[1]) == 1 then review(queue, time, true) end
end
"""

# ms within which one sweep is enough
_SWEEP = r"""
allow_when_full()
local time, last = now(), redis.call('HGET', own('swept'), 'at')
if last and time - last < tonumber(ARGV[1]) then return end
redis.call('HSET', own('swept'), 'at', time)
tidy({}, time)
local past = redis.call('ZRANGEBYSCORE', GONE, '-inf', time, 'LIMIT', 0, 1000)
if #past > 0 then redis.call('ZREM', GONE, unpack(past)) end
for _, queue in ipairs(redis.call('HKEYS', LIFETIMES)) do review(queue, time, false) end
"""

# as scripts.PUBLISH
_PUBLISH = r"""
local time = now()
for i = 1, #ARGV, 4 do
  if not redis.call('ZSCORE', GONE, ARGV[i]) then
    put(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], time)
  end
end
"""

# queue. Only one that had a lifetime is remembered: others are made anew by the next message, as ever.
_DELETE = r"""
local queue = ARGV[1]
local had_one = redis.call('HGET', LIFETIMES, queue)
drop(queue, now())
if not had_one then redis.call('ZREM', GONE, queue) end
"""


class RedisLifetimes:
    """See Lifetimes."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._clock: tuple[float, float] | None = None  # server's minus ours, when that was found

    def declare(self, queue: str, lifetime: Lifetime) -> None:
        self._run(_DECLARE, queue, _to_text(lifetime) if lifetime.ends else "")

    def use(self, queues: Sequence[str]) -> dict[str, Lifetime]:
        found = self._run(_USE, self._store._owner, self._store._lease.milliseconds, *queues)
        pairs = zip(found[::2], found[1::2], strict=True)
        return {queue.decode(): _from_text(text) for queue, text in pairs}

    def unuse(self, queues: Sequence[str]) -> None:
        self._run(_UNUSE, self._store._owner, *queues)

    def of(self, queue: str) -> Lifetime:
        text = self._store._wire.call("HGET", self._store._keys._own("lifetimes"), queue)
        return Lifetime() if text is None else _from_text(text)

    def sweep(self, at_most_every: float) -> None:
        self._run(_SWEEP, max(1, round(at_most_every * 1000)))

    def publish(self, postings: Sequence[Posting]) -> None:
        self._run(_PUBLISH, *self._store._sealed(postings))

    def delete(self, queue: str) -> None:
        self._run(_DELETE, queue)

    def now(self) -> float:
        ours = time.monotonic()
        if self._clock is None or ours - self._clock[1] > _CLOCK_SECONDS:
            seconds, microseconds = self._store._wire.call("TIME")
            self._clock = int(seconds) + int(microseconds) / 1e6 - ours, ours
        return ours + self._clock[0]

    def _run(self, body: str, *arguments: object) -> list[bytes]:
        common = _COMMON.replace("GONE_MS", str(round(GONE_SECONDS * 1000)))
        return self._store._run(common + body, *arguments) or []


def _to_text(lifetime: Lifetime) -> str:
    times = (-1 if each is None else each for each in (lifetime.expires, lifetime.message_ttl))
    return ":".join(map(str, (int(lifetime.temporary), *times)))


def _from_text(text: bytes) -> Lifetime:
    if not re.fullmatch(rb"\d:-?\d+:-?\d+", text):
        return Lifetime()
    temporary, *times = map(int, text.split(b":"))
    expires, message_ttl = (None if each < 0 else each for each in times)
    return Lifetime(bool(temporary), expires, message_ttl)
