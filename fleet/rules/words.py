"""Names and lists in messages."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from fleet.rules.finding import KeyPath


def dotted(path: KeyPath) -> str:
    """ "workers.http.queues[0]"; names that need quotes get them."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.replace("-", "").replace("_", "").isalnum() and part.isascii()
            text += ("." if text else "") + (part if plain else f'"{part}"')
    return text


def listed(names: Collection[str], most: int = 8) -> str:
    """A few names for a message, in backquotes."""
    shown = ", ".join(f"`{name}`" for name in islice(names, most))
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def cut(parts: Collection[str], joint: str = ", ", most: int = 8) -> str:
    """The same for parts that are worded already."""
    shown = joint.join(islice(parts, most))
    return f"{shown}{joint}{len(parts) - most:,} more" if len(parts) > most else shown
