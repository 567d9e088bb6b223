"""The refusals of a Redis on principle, in words that say what to do: its user's rights, and Redis Cluster."""

from __future__ import annotations

import re

from fleet.broker.delivery import BrokerUnavailable

NO_CLUSTER = (
    "Redis Cluster is not supported: one step of a queue touches keys that a cluster spreads over servers; "
    "use a single Redis, or sentinel:// for failover"
)
_OF_A_CLUSTER = re.compile(
    r"MOVED|CROSSSLOT|CLUSTERDOWN|ASK \d|cluster is down|non local key in a cluster|same slot|cluster mode"
)
_COMMAND = re.compile(r"run the '(?P<command>[^']+)'")
_LINE = re.compile(r"@?user_script:(?P<line>\d+)")
_CALL = re.compile(r"redis\.p?call\('(?P<command>\w+)'")
_NO_COMMAND = ("can't run this command", "no permissions to run")
_NO_KEY = ("can't access at least one of the keys", "no permissions to access one of the keys")

# Without these a worker looks for messages every few hundredths of a second instead of being woken.
FOR_WAKING = ("BLMOVE", "CLIENT|ID", "CLIENT|UNBLOCK")


class NotPermitted(BrokerUnavailable):
    """The Redis user may not run a command, or not use a key."""


def is_of_a_cluster(text: str) -> bool:
    return _OF_A_CLUSTER.search(text) is not None


def is_no_permission(text: str) -> bool:
    """Whether an error, also one inside a script, is about the user's rights."""
    return text.startswith("NOPERM") or any(words in text for words in (*_NO_COMMAND, *_NO_KEY))


def is_no_key(text: str) -> bool:
    return any(words in text for words in _NO_KEY)


def not_permitted(text: str, script: str = "") -> str:
    """`text` as Redis says it, with the command and the remedy. Of a script it only tells the line."""
    command = _command(text, script)
    if command:
        return f"the Redis user may not run {command}: ACL SETUSER … +{command.lower()} (docs/how-to/redis.md); {text}"
    if is_no_key(text):
        return (
            "the Redis user may not use a key: it needs those of its queues, _fleet.* and _kombu.* "
            f"(docs/how-to/redis.md); {text}"
        )
    return text


def _command(text: str, script: str) -> str | None:
    if found := _COMMAND.search(text):
        return found["command"].upper()
    line = _LINE.search(text)
    if line is None or not any(words in text for words in _NO_COMMAND):
        return None
    lines = script.splitlines()
    number = int(line["line"])
    call = _CALL.search(lines[number - 1]) if 0 < number <= len(lines) else None
    return call["command"] if call else None
