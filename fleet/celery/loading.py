"""Find the Celery app that an entry like "proj.celery:app" names, and say what is wrong when it is not there."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from fleet.worker.errors import BootFailed
from fleet.worker.importing import describe, import_module

if TYPE_CHECKING:
    from celery import Celery

_OLDEST, _NEWEST = (5, 6), (5, 7)  # as pyproject.toml says of the extra


def find_app(entry: str) -> Celery:
    """Raises BootFailed."""
    _require_celery(entry)
    from celery import Celery

    module_name, _, path = entry.partition(":")
    found: Any = import_module(module_name)
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise BootFailed(
                f"the app {entry!r}: {module_name} has no {path!r}{_guess(module_name)}"
            ) from None
    if not isinstance(found, Celery):
        kind = type(found).__name__
        raise BootFailed(f"the app {entry!r} is no Celery app but {_article(kind)}{_guess(module_name)}")
    return found


def load(app: Celery, entry: str) -> None:
    """Import what the app says has its tasks (`include`, `imports`, autodiscover). Raises BootFailed."""
    try:
        app.loader.init_worker()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise BootFailed(f"the tasks of the app {entry!r} can't be imported: {describe(error)}") from error


def _require_celery(entry: str) -> None:
    """Whether the Celery that is installed is one whose private names this package knows."""
    try:
        installed = version("celery")
    except PackageNotFoundError:
        raise BootFailed(
            f"the app {entry!r} needs Celery, which is not installed: pip install 'fleet-workers[celery]'"
        ) from None
    numbers = tuple(int(part) for part in installed.split(".")[:2] if part.isdigit())
    if not _OLDEST <= numbers <= _NEWEST:
        raise BootFailed(
            f"the app {entry!r}: Celery {installed} is installed, and fleet knows 5.6 and 5.7: "
            "pip install 'celery>=5.6,<5.8'"
        )


def _guess(module_name: str) -> str:
    """Where the app may be instead."""
    import sys

    from celery import Celery

    names = [name for name, value in vars(sys.modules[module_name]).items() if isinstance(value, Celery)]
    return f'; did you mean "{module_name}:{names[0]}"?' if names else ""


def _article(kind: str) -> str:
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"
