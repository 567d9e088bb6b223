"""FLT0xx: what the loader finds while it reads the file. Each function words one finding."""

from __future__ import annotations

from fleet.rules.syntax.comments import bare_ignore, unused_ignore
from fleet.rules.syntax.keys import foreign_key, missing_key, overrides_nothing, unknown_key
from fleet.rules.syntax.toml_text import invalid_toml, newer_toml
from fleet.rules.syntax.values import bad_unit, invalid_value, unknown_pool, unset_variable

__all__ = [
    "bad_unit",
    "bare_ignore",
    "foreign_key",
    "invalid_toml",
    "invalid_value",
    "missing_key",
    "newer_toml",
    "overrides_nothing",
    "unknown_key",
    "unknown_pool",
    "unset_variable",
    "unused_ignore",
]
