"""The status of a running fleet: from its controller, or else from its supervisor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable
from fleet.statedir import StateDir


def fetch(file: Path, state: StateDir) -> dict[str, Any] | None:
    """The contract's status; None when the fleet is not running."""
    try:
        return ApiClient(state.api_socket).get("/status")
    except (ControllerUnavailable, ApiError) as error:
        trouble = str(error) if isinstance(error, ApiError) else "the controller does not answer"
    if not state.supervisor_socket.exists():
        return None
    from fleet.cli.running.status_without_controller import fetch_without_controller

    return fetch_without_controller(file, state, trouble)
