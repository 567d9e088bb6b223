"""Keys and groups under a wrong name → findings, and the document as if they had been named rightly."""

from __future__ import annotations

import re
import string
from typing import Any

from fleet.config import known
from fleet.config.document import Document
from fleet.config.foreign import Foreign, foreign, in_words
from fleet.config.misplaced import put_right
from fleet.config.toml import to_toml
from fleet.rules.did_you_mean import nearest
from fleet.rules.finding import Change, Finding, KeyPath, Rename, Step
from fleet.rules.syntax import foreign_key, invalid_value, unknown_key
from fleet.rules.words import dotted

GROUP_NAME = "a name of letters, digits, `_` and `-`"


def unknown(document: Document, path: KeyPath) -> Finding:
    other = foreign(path)
    if other:
        return _foreign(document, path, other)
    allowed = known.keys(path[:-1])
    name = str(path[-1])
    meant = nearest(name.lower().replace("-", "_"), allowed, cutoff=0.7)
    present = document.get((*path[:-1], meant)) if meant else None
    is_free = present is None or (isinstance(present, dict) and isinstance(document.get(path), dict))
    finding = unknown_key(path, allowed, meant, is_free=is_free, is_table=_is_table(document.get(path)))
    if not name.isascii():
        finding = finding._replace(
            notes=(*finding.notes, *map(character, sorted({*name} - {*string.printable})))
        )
    if meant and is_free and _is_content(name, meant, document.get(path)):
        document.drop(path)
        document.poisoned.add((*path[:-1], meant))
        advice = f"`{meant}` names a file: write it there, and the file's name here"
        return finding._replace(help=advice, steps=())
    if meant and is_free:
        document.rename(path, meant)
        return finding
    if not meant and len(path) == 1 and _is_environment(document.get(path)):
        advice = f"an environment goes below `env`: [env.{name}], chosen by --env {name}"
    else:
        advice = "" if meant else put_right(document, path) or ""
    document.drop(path)
    return finding._replace(help=advice) if advice else finding


def _is_content(name: str, meant: str, value: Any) -> bool:
    """What the file `meant` should hold, such as `webhook = "https://…"` for `webhook_file`."""
    is_path = isinstance(value, str) and value.startswith(("/", "./", "../", "~"))
    return meant.endswith("_file") and ("://" in str(value) or ("fil" not in name.lower() and not is_path))


def character(letter: str) -> str:
    """One that looks like another, or like nothing, by its name."""
    import unicodedata  # few files have one

    name = unicodedata.name(letter, f"U+{ord(letter):04X}").lower()
    return f'"{letter}" is {name}: type it anew in plain letters'


def _foreign(document: Document, path: KeyPath, other: Foreign) -> Finding:
    """As `_unknown`, for a key that another tool knows."""
    value, target = document.get(path), (*path[:-1], other.key or "")
    own = other.convert(value) if other.convert else value
    steps: tuple[Step, ...] = ()
    text = in_words(other, value)
    if other.key is None:
        document.drop(path)
    elif document.has(target):
        text = f"`{other.key}` is there already: remove this one"
        document.drop(path)
    elif own is None:
        document.drop(path)
        document.poisoned.add(target)
    else:
        steps = (Rename(path, other.key), *((Change(path, to_toml(own)),) if own != value else ()))
        document.rename(path, other.key)
        document.put(target, own)
    return foreign_key(path, other.tool, other.key, text, steps, safe=other.safe)


def bad_name(document: Document, path: KeyPath) -> Finding:
    name = str(path[-1])
    better = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "group"
    finding = invalid_value(
        path,
        dotted(document.origin(path)),
        GROUP_NAME + ", because it names processes",
        to_toml(name),
        advice=f"for example `{better}`",
        steps=(Rename(path, better),),
        safe=False,
    )
    document.rename(path, better)
    return finding


def _is_environment(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and value.keys() <= set(known.keys(()))


def _is_table(value: Any) -> bool:
    """A table, or a list of tables."""
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))
