"""The outcome of a reload or a restart in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def outcome(step: Mapping[str, Any], path: Path) -> str:
    """Of the last step of `fleet reload` or `fleet restart`."""
    match step["outcome"]:
        case "unchanged":
            return "nothing to do: the fleet is as the file declares it"
        case "done":
            draining = step["draining"]
            rest = f"; {draining} old worker{'s' if draining > 1 else ''} still draining" if draining else ""
            return f"done: the fleet is as the file declares it{rest}"
        case "failed":
            return f"halted: {step['reason']}"
        case "rolled back":
            return "\n".join(
                f"rolled back: {each['reason']}; {each['group']} goes on as it was" for each in step["groups"]
            )
    found = [_problem(path, each) for each in step["diagnostics"]]
    return "\n".join([*found, "rejected: the fleet goes on as it is"])


def _problem(path: Path, found: Mapping[str, Any]) -> str:
    place = f"{path}:{found['line']}:{found['column']}" if found["line"] else str(path)
    code = f"{found['code']} " if found["code"] else ""
    return f"{place}: {code}{found['message']}"
