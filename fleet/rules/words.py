"""Names and lists in messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of `names` that `name` was probably meant to be."""
    from difflib import get_close_matches  # most files have nothing to guess

    return next(iter(get_close_matches(name, list(names), 1, cutoff)), None)


def listed(names: Sequence[str], most: int = 8) -> str:
    """A few names for a message, in backquotes."""
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
