"""Merging: [env.NAME] over the rest, then [defaults] under every worker group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.config.document import Document
from fleet.config.model import Fleet
from fleet.rules.did_you_mean import Names
from fleet.rules.finding import Finding
from fleet.rules.syntax import overrides_nothing, unknown_key

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
        if table == "env":
            known = [each for each in Fleet.fields if each != "env"]
            yield unknown_key(origin, known, None, is_free=False, is_table=True)
            continue
        if table in NAMED and isinstance(value, dict):
            present = document.get((table,), {})
            declared = dict.fromkeys(present if isinstance(present, dict) else ())
            names = Names(declared)
            for entry, settings in value.items():
                guess = entry if entry in declared else names.nearest(entry)
                if guess != entry:
                    yield overrides_nothing((*origin, entry), declared, guess)
                if guess:
                    document.merge((table, guess), settings, (*origin, entry), override=True)
        else:
            if table == "broker" and isinstance(value, dict):
                _replace_url(document, value)
            document.merge((table,), value, origin, override=True)


def _replace_url(document: Document, broker: dict[str, Any]) -> None:
    """An environment that names its broker the other way means it instead of the file's, not beside it."""
    for new, old in (("url", "url_file"), ("url_file", "url")):
        if new in broker and old not in broker:
            document.drop(("broker", old))


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
