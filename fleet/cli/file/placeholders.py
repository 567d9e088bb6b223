"""The variables of a file for commands that only read it: where one is not set, a word stands in its place."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:-)?")


def variables_or_placeholders(text: str) -> Mapping[str, str]:
    """The variables of this process, and for each ${NAME} in `text` that has neither a value nor a default: "unset"."""
    needed = {name for name, default in _NAME.findall(text) if not default}
    return {**dict.fromkeys(needed, "unset"), **{name: value for name, value in os.environ.items() if value}}
