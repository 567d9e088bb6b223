"""The errors that stop a worker before it has started."""

from __future__ import annotations


class BootFailed(Exception):  # noqa: N818  it names what happened
    """The worker can't run as asked, and trying again at once is pointless. The text says what to change."""


class CantAwait(Exception):  # noqa: N818
    """The pool has no event loop that could run an `async def` task."""
