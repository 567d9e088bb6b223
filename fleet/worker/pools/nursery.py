"""The old name of preload: a worker that was started before an upgrade gives it to its next fork server."""

from __future__ import annotations

import sys

from fleet.worker.pools import preload

sys.modules[__name__] = preload
