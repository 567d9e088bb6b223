"""The identity of this host among those of a fleet: its name, and an id that another fleet on it does not have."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

VARIABLE = "FLEET_HOST"


def this_host(state_dir: Path) -> tuple[str, str]:
    """(id, name). `$FLEET_HOST` says the name where the host's own is not unique, or says nothing."""
    name = os.environ.get(VARIABLE, "").strip() or socket.gethostname()
    place = hashlib.sha256(str(state_dir).encode()).hexdigest()[:8]
    return f"{name}-{place}", name
