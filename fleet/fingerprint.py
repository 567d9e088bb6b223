"""Whether two processes read the same out of a fleet.toml: what decides that, as one short text.

Standard library only: `fleet send` asks before it loads anything else.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

# Whatever may be the name in a ${VAR}: one too many does no harm.
_VARIABLE = re.compile(r"\$\{(\w+)")


def fingerprint(file: Path, text: str, env: str | None, environ: Mapping[str, str]) -> str:
    """SHA-256 of where `file` is, its `text`, the [env.`env`] merged over it and the variables that it names."""
    variables = {name: environ.get(name) for name in _VARIABLE.findall(text)}
    told = (os.path.abspath(file), text, env, sorted(variables.items()))  # noqa: PTH100  symlinks stay
    return hashlib.sha256(repr(told).encode()).hexdigest()
