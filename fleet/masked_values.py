"""The arguments of messages as anybody may see them: without what names and URLs in them say is secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fleet.diagnostics.masking import mask_prose
from fleet.secret_names import is_secret_name

# A key as repr() and JSON write it.
_KEY = re.compile(r"""(?:'([^'\n]*)'|"([^"\n]*)")\s{0,9}:\s{0,9}""")
# A value whose end is sure: a text, also one that is cut off, or a number.
_VALUE = re.compile(r"""[a-zA-Z]{0,2}(?:"(?:\\.|[^"\\])*+"?|'(?:\\.|[^'\\])*+'?)|[\w.+-]+(?=\s{0,9}[,}\]])""")


def masked(value: Any, mask: str) -> Any:
    """A JSON value with `mask` for each secret in it, however deep. Keys and shape stay."""
    if isinstance(value, Mapping):
        return {
            key: mask if is_secret_name(key) and not _is_nothing(each) else masked(each, mask)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(each, mask) for each in value]
    return mask_prose(value) if isinstance(value, str) and "://" in value else value


def masked_repr(text: str, mask: str) -> str:
    """As `masked`, of what a client wrote with repr(), perhaps only its beginning. Where a secret is no text or number,
    nobody knows where it ends: the rest goes with it.
    """
    shown, done = "", 0
    for key in _KEY.finditer(text):
        if key.start() < done or not is_secret_name(key[1] if key[1] is not None else key[2]):
            continue
        shown += text[done : key.end()] + mask
        value = _VALUE.match(text, key.end())
        if value is None:
            return shown
        done = value.end()
    shown += text[done:]
    return mask_prose(shown) if "://" in shown else shown


def _is_nothing(value: Any) -> bool:
    return value is None or isinstance(value, bool) or value == ""
