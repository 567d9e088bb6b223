"""The limit: the raw client doing a worker's work (reserve, decode, call, ack) and nothing else.

`python -m benchmarks.raw redis|amqp|amqp-batched|sqlite`. Messages as fleet writes them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from base64 import b64decode
from typing import Any

from benchmarks.work import noop

URL, QUEUE = os.environ["BENCH_BROKER"], os.environ["BENCH_QUEUE"]
BATCH = 64

# Reserved messages go into a hash in the same step: a kill loses none.
_RESERVE = """
local raws = redis.call('RPOP', KEYS[1], ARGV[1])
if not raws then return {} end
local first, fields = redis.call('INCRBY', KEYS[1] .. ':fence', #raws) - #raws, {}
for i, raw in ipairs(raws) do fields[2 * i - 1] = first + i fields[2 * i] = raw end
redis.call('HSET', KEYS[1] .. ':held', unpack(fields))
return {first, raws}
"""

# One statement and so one transaction.
_CLAIM = """UPDATE messages SET owner = 0 WHERE id IN
    (SELECT id FROM messages WHERE queue = ? AND owner IS NULL AND due IS NULL
     ORDER BY priority DESC, id LIMIT ?) RETURNING id, meta, body"""


def over_redis() -> None:
    import redis

    client = redis.Redis.from_url(URL)
    reserve = client.register_script(_RESERVE)
    while True:
        if not (reply := reserve([QUEUE], [BATCH])):
            client.blmove(QUEUE, QUEUE, 1, "RIGHT", "RIGHT")
            continue
        first, raws = reply
        for raw in raws:
            envelope = json.loads(raw)
            args, kwargs, _ = json.loads(b64decode(envelope["body"]))
            noop(*args, **kwargs)
        client.hdel(f"{QUEUE}:held", *range(first + 1, first + len(raws) + 1))


def over_amqp(every: int) -> None:
    import kombu

    connection = kombu.Connection(URL)
    connection.connect()
    wire: Any = connection.connection
    channel = wire.channel()
    channel.basic_qos(0, 256, False)
    unacked = 0

    def on_message(message: Any) -> None:
        nonlocal unacked
        args, kwargs, _ = json.loads(message.body)
        noop(*args, **kwargs)
        unacked += 1
        if unacked >= every:
            channel.basic_ack(message.delivery_tag, multiple=True)
            unacked = 0

    channel.basic_consume(QUEUE, callback=on_message)
    while True:
        wire.drain_events()


def over_sqlite() -> None:
    import sqlite3

    file = sqlite3.connect(URL.removeprefix("sqlite:///"), isolation_level=None)
    file.execute("PRAGMA synchronous = NORMAL")
    while True:
        rows = file.execute(_CLAIM, (QUEUE, BATCH)).fetchall()
        if not rows:
            time.sleep(0.05)
        for _, meta, body in rows:
            json.loads(meta)
            args, kwargs, _ = json.loads(body)
            noop(*args, **kwargs)
        file.execute("BEGIN IMMEDIATE")
        file.executemany("DELETE FROM messages WHERE id = ? AND owner = 0", [row[:1] for row in rows])
        file.execute("COMMIT")


if __name__ == "__main__":
    match sys.argv[1]:
        case "redis":
            over_redis()
        case "amqp":
            over_amqp(1)
        case "amqp-batched":
            over_amqp(16)
        case "sqlite":
            over_sqlite()
