"""The rights that the Redis user lacks (ACL): each command and key is tried, and nothing is there afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.preflight import Objection
from fleet.broker.redis.connect import Wire
from fleet.broker.redis.keys import Keys
from fleet.broker.redis.refusals import FOR_WAKING, NotPermitted, is_no_key, is_no_permission
from fleet.spec import QueueSpec

# What puts something there is followed by what takes it away again: DEL itself may be forbidden.
_TRIED = """
TIME; LPUSH K x; LLEN K; LINDEX K 0; LRANGE K 0 0; LMOVE K K LEFT RIGHT; RPOP K 1; RPUSH K x; RPOP K 1;
HSET K f v; HGET K f; HKEYS K; HEXISTS K f; HLEN K; HDEL K f; SADD K x; SMEMBERS K; SISMEMBER K x; SREM K x;
ZADD K 1 x; ZRANGE K 0 0; ZRANGEBYSCORE K 0 1; ZCARD K; ZSCORE K x; ZREM K x; ZREMRANGEBYRANK K 0 0; DEL K
"""
_ASK = """
local answers = {}
for i = 2, #ARGV do
  local words = {}
  for word in string.gmatch(ARGV[i], '%S+') do words[#words + 1] = word == 'K' and ARGV[1] or word end
  local reply = redis.pcall(unpack(words))
  answers[i - 1] = type(reply) == 'table' and reply.err or ''
end
return answers
"""
_HELP = "ACL SETUSER … {}; docs/how-to/redis.md lists what fleet needs"


def missing_rights(wire: Wire, keys: Keys, queues: Sequence[QueueSpec]) -> Iterator[Objection]:
    """Raises BrokerUnavailable."""
    forbidden, no_key = _forbidden(wire, keys)
    if forbidden:
        yield Objection(
            f"the Redis user may not run {', '.join(forbidden)}, which fleet needs", _grant(forbidden)
        )
    if no_key:
        text = f'the Redis user may not use the keys that begin with "{keys.prefix}_fleet.", where claims lie'
        yield Objection(text, _HELP.format(f"~{keys.prefix}_fleet.*"))
    if slow := [name for name in FOR_WAKING if not _may(wire, name, keys)]:
        yield Objection(
            f"the Redis user may not run {', '.join(slow)}: idle workers look for messages every few hundredths "
            "of a second, instead of being woken",
            _grant(slow),
            refused=False,
        )
    if "LLEN" not in forbidden:
        yield from _missing_keys(wire, keys, queues)


def _missing_keys(wire: Wire, keys: Keys, queues: Sequence[QueueSpec]) -> Iterator[Objection]:
    for queue in queues:
        for key in [keys.ready(name) for name in (queue.name, queue.dead_letter) if name]:
            try:
                wire.call("LLEN", key)
            except NotPermitted:
                text = f'the Redis user may not use the key "{key}", in which messages lie'
                yield Objection(text, _HELP.format(f"~{key}*"), queue=queue.name)
            except BrokerUnavailable:
                if wire.is_gone:
                    raise  # else it is a key of another type, which is said elsewhere


def _forbidden(wire: Wire, keys: Keys) -> tuple[list[str], bool]:
    """The commands, and whether it is the key."""
    tried = [" ".join(each.split()) for each in _TRIED.split(";")]
    forbidden = [name for name in ("EVAL", "EVALSHA") if not _may(wire, name, keys)]
    if "EVAL" in forbidden:
        return forbidden, False
    answers = [
        bytes(answer).decode(errors="replace") for answer in wire.call("EVAL", _ASK, 0, keys.probe, *tried)
    ]
    no_key = any(is_no_key(answer) for answer in answers)
    forbidden += [
        command.split()[0]
        for command, answer in zip(tried, answers, strict=True)
        if is_no_permission(answer) and not is_no_key(answer)
    ]
    return list(dict.fromkeys(forbidden)), no_key


def _may(wire: Wire, command: str, keys: Keys) -> bool:
    asked = {
        "EVAL": ("EVAL", "return 1", 0),
        "EVALSHA": ("EVALSHA", "0" * 40, 0),  # there is no such script
        "BLMOVE": ("BLMOVE", keys.probe, keys.probe, "RIGHT", "LEFT", "0.001"),
        "CLIENT|ID": ("CLIENT", "ID"),
        "CLIENT|UNBLOCK": ("CLIENT", "UNBLOCK", 0),
    }
    try:
        wire.call(*asked[command])
    except NotPermitted:
        return False
    except BrokerUnavailable:
        if wire.is_gone:
            raise
    return True


def _grant(commands: Sequence[str]) -> str:
    return _HELP.format(" ".join(f"+{name.lower()}" for name in commands))
