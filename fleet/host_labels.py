"""The labels of this host, `fleet up --labels gpu,ssd`: which groups with `on` it runs."""

from __future__ import annotations

import os
import re

VARIABLE = "FLEET_LABELS"
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")


def this_host() -> frozenset[str]:
    """As the supervisor hands them on to the controller."""
    return frozenset(read(os.environ.get(VARIABLE, "")))


def read(text: str) -> tuple[str, ...]:
    """Of a list with commas, sorted. Raises ValueError for what no engine would take as a label."""
    labels = sorted({each.strip() for each in text.split(",") if each.strip()})
    for label in labels:
        if not is_label(label):
            raise ValueError(f"{label!r} is no label: letters, digits, `-`, `_` and `.`, 63 at most")
    return tuple(labels)


def is_label(text: str) -> bool:
    return bool(_LABEL.fullmatch(text)) and len(text) <= 63
