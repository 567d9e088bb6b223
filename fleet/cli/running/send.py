"""Hand a message to the running controller, which is connected already. Loads next to nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fleet.cli.file.locate import locate
from fleet.cli.options import Failure
from fleet.cli.running.api_client import ApiClient, ApiError
from fleet.fingerprint import fingerprint

# What the controller says of the message, and not of itself: to send it from here would end the same way.
_NO_ROUTE, _NO_BROKER, _REFUSED = 400, 503, 507


class Unrouted(Failure):
    """No rule of the file takes the task."""


def hand_in(file: Path | None, env: str | None, message: dict[str, Any]) -> tuple[str, list[str]] | None:
    """The queue, and the id of what it has published; None when there is nobody who goes by this very file.

    `message`: task, args, kwargs, queue and delay_seconds. Raises Failure.
    """
    try:
        path, state = locate(file, env)
        same = fingerprint(path, path.read_bytes().decode("utf-8-sig"), env, os.environ)
        sent = ApiClient(state.api_socket).post("/send", {"fingerprint": same, **message})
    except (OSError, UnicodeDecodeError):  # ControllerUnavailable is an OSError
        return None
    except ApiError as error:
        if error.status == _NO_ROUTE:
            raise Unrouted(str(error)) from error
        if error.status == _NO_BROKER:
            raise Failure(f"the broker can't be reached: {error}") from error
        if error.status == _REFUSED:
            raise Failure(f"the broker did not take it: {error}") from error
        return None
    return sent["queue"], [sent["id"]]
