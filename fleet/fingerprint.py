"""The fingerprint of how a process reads a fleet.toml: what decides it, as one short text that two can compare.

Standard library only: `fleet send` asks before it loads anything else.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from fleet.working_folder import absolute

# Whatever may be the name in a ${VAR}: one too many does no harm.
_VARIABLE = re.compile(r"\$\{(\w+)")


def fingerprint(file: Path, text: str, env: str | None, environ: Mapping[str, str]) -> str:
    """SHA-256 of where `file` is, its `text`, the [env.`env`] merged over it and the variables that it names."""
    variables = {name: environ.get(name) for name in _VARIABLE.findall(text)}
    told = (os.path.normpath(absolute(file)), text, env, sorted(variables.items()))  # links stay
    return hashlib.sha256(repr(told).encode()).hexdigest()
