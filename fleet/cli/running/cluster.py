"""The cluster and what it runs, as `kubectl` says, or as a file that it has written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.cli.exits import Exit
from fleet.cli.options import Failure

_KINDS = "deployments,statefulsets,poddisruptionbudgets"
_SCALED = "scaledobjects.keda.sh"
_PATIENCE_SECONDS = 60


def objects(against: str) -> list[Mapping[str, Any]]:
    """`against` is "kubernetes", a file, or "-" for standard input. Raises Failure."""
    if against == "kubernetes":
        found = _listed(_kubectl(_KINDS), "kubectl")
        try:
            return found + _listed(_kubectl(_SCALED), "kubectl")
        except Failure:
            return found  # a cluster without KEDA
    try:
        text = sys.stdin.read() if against == "-" else Path(against).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise Failure(f"--against {against}: {reason}", Exit.USAGE) from error
    return _listed(text, against)


def _kubectl(kinds: str) -> str:
    command = ["kubectl", "get", kinds, "-o", "json"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS)
    except FileNotFoundError:
        raise Failure(
            "kubectl is not installed: give --against a file with what `kubectl get "
            f"{_KINDS},{_SCALED} -o json` prints elsewhere",
            Exit.USAGE,
        ) from None
    except subprocess.TimeoutExpired:
        raise Failure(f"kubectl has not answered within {_PATIENCE_SECONDS} s", Exit.USAGE) from None
    if ran.returncode != 0:
        raise Failure(
            f"`{' '.join(command)}` failed: {(ran.stderr.strip().splitlines() or [''])[-1]}", Exit.USAGE
        )
    return ran.stdout


def _listed(text: str, where: str) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Failure(
            f"{where} gives no JSON ({error}): save it with `kubectl get -o json`", Exit.USAGE
        ) from None
    items = found.get("items", [found]) if isinstance(found, dict) else found
    if not isinstance(items, list) or not all(isinstance(each, dict) and "kind" in each for each in items):
        raise Failure(f"{where} has no objects of Kubernetes: save it with `kubectl get -o json`", Exit.USAGE)
    return items
