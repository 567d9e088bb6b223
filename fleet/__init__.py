"""fleet: one TOML file declares the workers; this package spawns them and keeps them true.

The public names resolve lazily (PEP 562): this module runs before gevent or eventlet patch the
standard library, so it imports nothing itself.
"""

__version__ = "0.1.0"

# What is installed; `fleet` on the package index is somebody else's project. A constant, so that it holds in a
# checkout that was never installed, and costs no importlib.metadata.
__distribution__ = "fleet-workers"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fleet.broker.delivery import BrokerUnavailable, MessageTooLarge, Refused
    from fleet.broker.router import Unroutable
    from fleet.tasks import Retry, SoftTimeLimitExceeded, Task, configure, current, outliving_task, task
    from fleet.tasks.hooks import (
        Ended,
        on_process_start,
        on_task_end,
        on_task_start,
        on_worker_start,
        on_worker_stop,
    )

__all__ = [
    "BrokerUnavailable",
    "Ended",
    "MessageTooLarge",
    "Refused",
    "Retry",
    "SoftTimeLimitExceeded",
    "Task",
    "Unroutable",
    "configure",
    "current",
    "on_process_start",
    "on_task_end",
    "on_task_start",
    "on_worker_start",
    "on_worker_stop",
    "outliving_task",
    "task",
]

_HOMES = {
    **dict.fromkeys(("BrokerUnavailable", "MessageTooLarge", "Refused"), "fleet.broker.delivery"),
    "Unroutable": "fleet.broker.router",
    **dict.fromkeys(
        ("Ended", "on_process_start", "on_task_end", "on_task_start", "on_worker_start", "on_worker_stop"),
        "fleet.tasks.hooks",
    ),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'fleet' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES.get(name, "fleet.tasks")), name)


def __dir__() -> list[str]:
    return [*__all__, "__distribution__", "__version__"]
