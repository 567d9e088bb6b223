"""A line of the event log before it is written."""

from __future__ import annotations

EventLine = tuple[str, str]
"""Level and message."""
