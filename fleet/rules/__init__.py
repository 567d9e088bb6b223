"""The checks of `fleet validate`: one small pure function each, with its explanation as docstring."""

from __future__ import annotations

from fleet.rules.finding import Finding, Mark
from fleet.rules.registry import Rule, catalogue

__all__ = ["Finding", "Mark", "Rule", "catalogue"]
