"""The Lua scripts: what Redis does in one step each. Times are Redis's own, in milliseconds.

A claim lives in the hash of its owner and queue under `<number>:<step>`. The number is the owner's own, and
it never uses one again: a number that Redis counts would come a second time after a restart that has lost
the last seconds (docs/decisions/0058-redis-claim-numbers.md). An owner is a member of `owners` with the end
of its lease as score. Envelopes are marked, not parsed: cjson would not give back what it read (empty lists,
long numbers).
"""

from __future__ import annotations

_COMMON = r"""
local function now() local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000) end

-- Redis lets a script finish beyond `maxmemory` once it has written something. What only moves or
-- deletes messages must go on then, else a full Redis could never be emptied.
local function allow_when_full() redis.call('ZREM', OWNERS, '') end

-- The envelope with `handouts` added to its count. `since`: when it became ready, if it doesn't say.
local function mark(raw, handouts, since)
  local _, last, before, at = string.find(raw, '^{%s*"fleet":%s*%[(%d+),%s*(%d+)%],%s*')
  if last then
    raw, handouts, since = string.sub(raw, last + 1), handouts + before, at
  else
    local at = string.match(raw, '^%s*{%s*()"')
    if not at then return raw end
    raw = string.sub(raw, at)
  end
  return string.format('{"fleet":[%.0f,%.0f],', handouts, since) .. raw
end

local function put(queue, step, delay, raw, time)
  redis.call('SADD', QUEUES, queue)
  if step ~= '0' then redis.call('SADD', PRIORITISED, queue) end
  raw = mark(raw, 0, time + delay)
  if delay > 0 then
    redis.call('ZADD', due(queue), time + delay, step .. ':' .. raw)
  else
    redis.call('LPUSH', ready(queue, step), raw)
  end
end

local function put_all(first)
  local time = now()
  for i = first, #ARGV, 4 do put(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], time) end
end

local function ripen(queue, time)
  local ripe = redis.call('ZRANGEBYSCORE', due(queue), '-inf', time, 'LIMIT', 0, 1000)
  for _, member in ipairs(ripe) do
    local colon = string.find(member, ':', 1, true)
    redis.call('LPUSH', ready(queue, string.sub(member, 1, colon - 1)), string.sub(member, colon + 1))
  end
  if #ripe > 0 then redis.call('ZREMRANGEBYRANK', due(queue), 0, #ripe - 1) end
end

-- Messages that woke a connection of `owner`: nobody has started them.
local function unmove(owner, queue)
  for _, step in ipairs(STEPS) do
    while redis.call('LMOVE', moved(owner, queue, step), ready(queue, step), 'LEFT', 'RIGHT') do end
  end
end

-- A hand-out is counted for those that had fewer than `most` before.
local function unclaim(owner, queue, most)
  local key = claims(owner, queue)
  local held = {}
  for i, field in ipairs(redis.call('HKEYS', key)) do
    local number, step = string.match(field, '^(%d+):(%d+)$')
    held[i] = {tonumber(number), step, field}
  end
  -- The oldest last, so that it is the first to go again.
  table.sort(held, function(a, b) return a[1] > b[1] end)
  for _, claim in ipairs(held) do
    local raw = redis.call('HGET', key, claim[3])
    local before = tonumber(string.match(raw, '^{%s*"fleet":%s*%[(%d+)') or 0)
    redis.call('RPUSH', ready(queue, claim[2]), before < most and mark(raw, 1, 0) or raw)
  end
  redis.call('DEL', key)
end

-- `last` as in LeasedStore.release_owner; 0 of who knows no group: then it is what the owner said of itself.
local function free(owner, last)
  if last == 0 then last = tonumber(redis.call('HGET', LASTS, owner) or 0) end
  local queues, count, most = redis.call('SMEMBERS', QUEUES), 0, math.huge
  for _, queue in ipairs(queues) do count = count + redis.call('HLEN', claims(owner, queue)) end
  if last > 0 and count > 1 then most = last - 1 end
  for _, queue in ipairs(queues) do
    unclaim(owner, queue, most)
    unmove(owner, queue)
  end
  return count
end

local function forget(owner)
  redis.call('ZREM', OWNERS, owner)
  redis.call('HDEL', FENCES, owner)
  redis.call('HDEL', LASTS, owner)
end

local function tidy(queues, time, myself, last)
  for _, owner in ipairs(redis.call('ZRANGEBYSCORE', OWNERS, '-inf', time, 'LIMIT', 0, 100)) do
    -- A lease that ran out unseen, because this worker was suspended, has harmed nobody: it goes on.
    if owner ~= myself then
      free(owner, last or 0)
      forget(owner)
    end
  end
  for _, queue in ipairs(queues) do ripen(queue, time) end
end

local function rest(first)
  local items = {}
  for i = first, #ARGV do items[#items + 1] = ARGV[i] end
  return items
end
"""

# owner, lease in ms, limit, 1 if a connection was blocked since the last time, number of the first claim, the last
# attempt, queues…
# → [ms until time makes something ready or -1, [index of the queue, step, number of its first, [envelope…]]…]
RESERVE = r"""
local owner, lease, left, queues = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), rest(7)
local number = tonumber(ARGV[5])
local time, reply = now(), {-1}
local fence = redis.call('HGET', FENCES, owner)
if fence and number < tonumber(fence) then return reply end
allow_when_full()
tidy(queues, time, owner, tonumber(ARGV[6]))
if ARGV[4] == '1' then for _, queue in ipairs(queues) do unmove(owner, queue) end end
for index, queue in ipairs(queues) do
  for _, step in ipairs(STEPS) do
    local raws = left > 0 and redis.call('RPOP', ready(queue, step), left)
    if raws and #raws > 0 then
      local fields = {}
      for i, raw in ipairs(raws) do
        fields[2 * i - 1] = string.format('%.0f:%s', number + i - 1, step)
        fields[2 * i] = raw
      end
      redis.call('HSET', claims(owner, queue), unpack(fields))
      redis.call('SADD', QUEUES, queue)
      if step ~= '0' then redis.call('SADD', PRIORITISED, queue) end
      reply[#reply + 1] = {index - 1, tonumber(step), number, raws}
      left, number = left - #raws, number + #raws
    end
  end
end
local is_new = redis.call('ZADD', OWNERS, time + lease, owner) == 1
if is_new and tonumber(ARGV[6]) > 0 then redis.call('HSET', LASTS, owner, ARGV[6]) end
if left == 0 and ARGV[3] ~= '0' then return reply end
local soonest
local function consider(who, moment)
  if moment and who ~= owner then soonest = math.min(soonest or math.huge, tonumber(moment)) end
end
local leases = redis.call('ZRANGE', OWNERS, 0, 1, 'WITHSCORES')
consider(leases[1], leases[2])
consider(leases[3], leases[4])
for _, queue in ipairs(queues) do
  consider(nil, redis.call('ZRANGE', due(queue), 0, 0, 'WITHSCORES')[2])
end
if soonest then reply[1] = math.max(0, soonest - time) end
return reply
"""

# owner, number: what is still under way on a connection that the owner has lost, and would claim by lower numbers,
# comes too late. Nobody would know of these claims, and the owner would keep them for as long as it lives.
FENCE = "allow_when_full() redis.call('HSET', FENCES, ARGV[1], ARGV[2])"

# (queue, step, delay in ms, envelope)…
PUBLISH = "put_all(1)"

# owner, queue, field, then as PUBLISH → 1, or 0 when the claim is gone
REPLACE = r"""
local key = claims(ARGV[1], ARGV[2])
if redis.call('HEXISTS', key, ARGV[3]) == 0 then return 0 end
allow_when_full()
put_all(4) -- first this: a user who may not use that queue's key ends the script here
redis.call('HDEL', key, ARGV[3])
return 1
"""

# owner, (queue, field)… → how many
ACK = r"""
local count = 0
for i = 2, #ARGV, 2 do count = count + redis.call('HDEL', claims(ARGV[1], ARGV[i]), ARGV[i + 1]) end
return count
"""

# owner, 1 to count the hand-out, RPUSH (comes next) or LPUSH (last), (queue, field)… newest first → how many
RELEASE = r"""
local count = 0
allow_when_full()
for i = 4, #ARGV, 2 do
  local key, field = claims(ARGV[1], ARGV[i]), ARGV[i + 1]
  local raw = redis.call('HGET', key, field)
  if raw then
    if ARGV[2] == '1' then raw = mark(raw, 1, 0) end
    redis.call('HDEL', key, field)
    redis.call(ARGV[3], ready(ARGV[i], string.match(field, ':(%d+)$')), raw)
    count = count + 1
  end
end
return count
"""

# owner, lease in ms, queues… listened to. Only who is known is renewed: the claims of others are gone anyway.
# What a connection that we lost has moved must not wait for this worker's next look, that may be hours.
RENEW = r"""
allow_when_full()
redis.call('ZADD', OWNERS, 'XX', now() + ARGV[2], ARGV[1])
for _, queue in ipairs(rest(3)) do unmove(ARGV[1], queue) end
"""

# owner, lease in ms: for an owner that can't do it itself, nor take what its connections have moved.
RENEW_OWNER = r"""
allow_when_full()
redis.call('ZADD', OWNERS, 'XX', 'GT', now() + ARGV[2], ARGV[1])
for _, queue in ipairs(redis.call('SMEMBERS', QUEUES)) do unmove(ARGV[1], queue) end
"""

# owner, lease in ms, queue: before a connection blocks → whether the queue has known priorities
HOLD = r"""
allow_when_full()
redis.call('ZADD', OWNERS, now() + ARGV[2], ARGV[1])
redis.call('SADD', QUEUES, ARGV[3])
return redis.call('SISMEMBER', PRIORITISED, ARGV[3])
"""

# owner, queues…: no connection of the owner is blocked any more
UNMOVE = "allow_when_full() for _, queue in ipairs(rest(2)) do unmove(ARGV[1], queue) end"

# owner, the last attempt → how many. It stays in `owners` until its lease ends: until then the server may not have
# noticed that its blocked connections are dead, and move one more message to it; nor has it read what they asked for.
FREE = r"""
allow_when_full()
if redis.call('ZSCORE', OWNERS, ARGV[1]) then redis.call('HSET', FENCES, ARGV[1], '9007199254740992') end
return free(ARGV[1], tonumber(ARGV[2]))
"""

# owner
LEAVE = "allow_when_full() free(ARGV[1], 0) forget(ARGV[1])"

# queue → [ready, delayed, claimed, age of the oldest ready message in ms or -1]
STATS = r"""
local queue, time = ARGV[1], now()
tidy({queue}, time)
local count, claimed, oldest = 0, 0, nil
for _, step in ipairs(STEPS) do
  count = count + redis.call('LLEN', ready(queue, step))
  local raw = redis.call('LINDEX', ready(queue, step), -1)
  local since = raw and tonumber(string.match(raw, '^{%s*"fleet":%s*%[%d+,%s*(%d+)%]'))
  if since and since > 0 and (not oldest or since < oldest) then oldest = since end
end
for _, owner in ipairs(redis.call('ZRANGE', OWNERS, 0, -1)) do
  claimed = claimed + redis.call('HLEN', claims(owner, queue))
  for _, step in ipairs(STEPS) do count = count + redis.call('LLEN', moved(owner, queue, step)) end
end
return {count, redis.call('ZCARD', due(queue)), claimed, oldest and math.max(0, time - oldest) or -1}
"""

# queue, limit, offset → envelopes
BROWSE = r"""
local queue, left, skip, found = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), {}
tidy({queue}, now())
for _, step in ipairs(STEPS) do
  local length = redis.call('LLEN', ready(queue, step))
  if left > 0 and skip < length then
    local raws = redis.call('LRANGE', ready(queue, step), -(skip + left), -(skip + 1))
    for i = #raws, 1, -1 do found[#found + 1] = raws[i] end
    left = left - #raws
  end
  skip = math.max(0, skip - length)
end
return found
"""

# queue, limit → [member, due in ms, …] of those that are delayed, the first due first
DELAYED = r"""
tidy({ARGV[1]}, now())
return redis.call('ZRANGE', due(ARGV[1]), 0, ARGV[2] - 1, 'WITHSCORES')
"""

# queue, member → whether it was there
CANCEL = "allow_when_full() return redis.call('ZREM', due(ARGV[1]), ARGV[2])"

# queue → how many
PURGE = r"""
local queue = ARGV[1]
tidy({}, now())
local count = redis.call('ZCARD', due(queue))
for _, owner in ipairs(redis.call('ZRANGE', OWNERS, 0, -1)) do unmove(owner, queue) end
for _, step in ipairs(STEPS) do
  count = count + redis.call('LLEN', ready(queue, step))
  redis.call('DEL', ready(queue, step))
end
redis.call('DEL', due(queue))
return count
"""

# queue; its bindings are the caller's affair
DELETE = r"""
local queue = ARGV[1]
for _, step in ipairs(STEPS) do redis.call('DEL', ready(queue, step)) end
for _, owner in ipairs(redis.call('ZRANGE', OWNERS, 0, -1)) do
  redis.call('DEL', claims(owner, queue))
  for _, step in ipairs(STEPS) do redis.call('DEL', moved(owner, queue, step)) end
end
redis.call('DEL', due(queue))
redis.call('SREM', QUEUES, queue)
redis.call('SREM', PRIORITISED, queue)
"""

# key of the notes, name, 1 and the note that must be there or 0 when none may be, the note to put there,
# then as PUBLISH → {1} or {0, the note that is there}
ENTER = r"""
local present = redis.call('HGET', ARGV[1], ARGV[2])
local expected = ARGV[3] == '1' and ARGV[4] or false
if present ~= expected then return {0, present} end
put_all(6) -- first this: what is not allowed ends the script here
redis.call('HSET', ARGV[1], ARGV[2], ARGV[5])
return {1}
"""


def complete(names: str, body: str) -> str:
    """The source of a script: `names` from Keys.lua, what all share, its own."""
    return f"{names}{_COMMON}{body}"
