"""Patch the standard library for a green pool, before anything loads that would keep the unpatched one."""

from __future__ import annotations

import sys

from fleet.worker.errors import BootFailed

GREEN = ("gevent", "eventlet")

# Whoever imports one of these keeps references to blocking calls that patching can't reach.
HAZARDS = frozenset(
    {
        *("threading", "socket", "ssl", "select", "selectors", "subprocess", "logging", "queue", "signal"),
        *("asyncio", "concurrent.futures", "multiprocessing", "http.client", "kombu", "amqp", "redis"),
    }
)


def patch(pool: str) -> None:
    """Patch for `pool`; nothing to do for one that isn't green.

    Raises BootFailed when it is too late to patch, or when the library is not installed.
    """
    if pool not in GREEN:
        return
    if loaded := sorted(HAZARDS & sys.modules.keys()):
        raise BootFailed(
            f"can't patch for {pool}: {', '.join(loaded)} loaded already, before the worker began. "
            "Look for what the interpreter imports by itself: sitecustomize, a .pth file, a profiler"
        )
    import fleet.worker.unpatched  # noqa: F401  takes the originals while they are there

    try:
        _patch(pool)
    except ImportError as error:
        raise BootFailed(
            f"pool {pool!r} needs {pool}, which can't be imported ({error}): pip install 'fleet-workers[{pool}]'"
        ) from error


def _patch(pool: str) -> None:
    if pool == "gevent":
        from gevent import monkey

        monkey.patch_all()
    else:
        import warnings

        # eventlet announces its own retirement at every import; `fleet validate` says so once (FLT309).
        warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
        import eventlet

        # Not os: its read() waits where a non-blocking one raises BlockingIOError, which many rely on. gevent
        # leaves it alone, too.
        eventlet.monkey_patch(os=False)
