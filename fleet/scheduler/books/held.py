"""Books whose notes only one scheduler writes: they are in its memory, and checked there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.broker.notes import Entry, Written


def judge(notes: Mapping[str, str], entries: Sequence[Entry]) -> tuple[list[Entry], list[Written]]:
    """The entries whose note is as they expect, and the outcome of each if these are written."""
    written = []
    fitting = []
    for entry in entries:
        present = notes.get(entry.name)
        fits = present == entry.before
        if fits:
            fitting.append(entry)
        written.append(Written(fits, entry.after if fits else present))
    return fitting, written
