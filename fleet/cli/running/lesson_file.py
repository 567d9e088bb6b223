"""The file of lessons: what advice has learnt of each group under its earlier settings, in the state directory."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress

from fleet.advice.evidence import GroupEvidence
from fleet.advice.lessons import Lessons, read_lessons
from fleet.statedir import StateDir


def read(state: StateDir) -> dict[str, Lessons]:
    """By group; none where there is no such file, or nothing of it can be read."""
    try:
        said = json.loads(state.lessons.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    now = time.time()
    return {name: read_lessons(each, now) for name, each in said.items()} if isinstance(said, dict) else {}


def write(state: StateDir, evidence: Mapping[str, GroupEvidence]) -> None:
    """Keep what the evidence has shown, for when the settings are others. Best effort: advice goes on without."""
    before, now = read(state), time.time()
    after = {name: each.learnt(now) for name, each in evidence.items() if each.is_enough}
    if any(after[name] != before.get(name, Lessons()) for name in after):
        whole = {name: each.to_json() for name, each in {**before, **after}.items()}
        beside = state.lessons.with_name(f".{state.lessons.name}.{os.getpid()}")
        with suppress(OSError):
            beside.touch(0o600)
            beside.write_text(json.dumps(whole), encoding="utf-8")
            beside.replace(state.lessons)
