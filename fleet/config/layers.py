"""Merging: [env.NAME] over the rest, then [defaults] under every worker group."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.document import Document
from fleet.rules.finding import Finding
from fleet.rules.syntax import overrides_nothing
from fleet.rules.words import nearest

NAMED = ("workers", "queues")


def environments(document: Document) -> tuple[str, ...]:
    """Names under [env]."""
    tables = document.data.get("env")
    return tuple(tables) if isinstance(tables, dict) else ()


def apply_environment(document: Document, name: str) -> Iterator[Finding]:
    """Merge [env.`name`] over the document; yields what overrides nothing, read as its nearest neighbour."""
    overlay = document.data["env"][name]
    if not isinstance(overlay, dict):
        return  # the model reports the type
    for table, value in overlay.items():
        origin = ("env", name, table)
        if table in NAMED and isinstance(value, dict):
            for entry, settings in value.items():
                declared = list(document.get((table,), {}))
                guess = entry if entry in declared else nearest(entry, declared)
                if guess != entry:
                    yield overrides_nothing((*origin, entry), declared, guess)
                if guess:
                    document.merge((table, guess), settings, (*origin, entry), override=True)
        else:
            document.merge((table,), value, origin, override=True)


def apply_defaults(document: Document) -> None:
    """Give every [workers.*] what it does not say itself."""
    defaults, groups = document.data.get("defaults"), document.data.get("workers")
    if not isinstance(defaults, dict) or not isinstance(groups, dict):
        return
    for name, group in groups.items():
        if not isinstance(group, dict):
            continue
        for key, value in defaults.items():
            if key == "replicas" and key in group:
                continue  # { min, max } belong together
            path = ("workers", name, key)
            document.merge(path, value, document.origin(("defaults", key)), override=False)
