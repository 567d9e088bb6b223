"""Files of KEY=VALUE lines, as docker reads them: comments, `export`, quotes; nothing is expanded."""

from __future__ import annotations

import re

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")


def parse_env_file(text: str) -> dict[str, str]:
    """Lines that are not an assignment are passed over; the last of two equal keys wins."""
    values = {}
    for line in text.splitlines():
        if not line.lstrip().startswith("#") and (match := _LINE.match(line)):
            values[match[1]] = _unquote(match[2])
    return values


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return re.sub(r"\s+#.*$", "", value)
