"""fleet: one TOML file declares the workers; this package spawns them and keeps them true.

The public names resolve lazily (PEP 562): this module runs before gevent or eventlet patch the
standard library, so it imports nothing itself.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fleet.broker.delivery import BrokerUnavailable
    from fleet.broker.router import Unroutable
    from fleet.tasks import Retry, SoftTimeLimitExceeded, Task, configure, current, task

__all__ = [
    "BrokerUnavailable",
    "Retry",
    "SoftTimeLimitExceeded",
    "Task",
    "Unroutable",
    "configure",
    "current",
    "task",
]

_HOMES = {"BrokerUnavailable": "fleet.broker.delivery", "Unroutable": "fleet.broker.router"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'fleet' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES.get(name, "fleet.tasks")), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
