"""A value as TOML text, on one line."""

from __future__ import annotations

import json
import re
from typing import Any


def to_toml(value: Any) -> str:
    """For messages and edits. Dates and times come out as text."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list() | tuple():
            return "[" + ", ".join(to_toml(item) for item in value) + "]"
        case dict():
            return "{ " + ", ".join(f"{to_key(key)} = {to_toml(item)}" for key, item in value.items()) + " }"
    # JSON's escapes are a subset of TOML's, but for DEL.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def to_key(name: str) -> str:
    """Bare where it may be, else quoted."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else to_toml(name)
