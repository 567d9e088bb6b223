"""Environment variables that may be written into fleet.toml: those that are known to hold no secret."""

from __future__ import annotations

from collections.abc import Mapping

# A list of what is harmless, not of what is secret: nobody knows what people call their passwords.
HARMLESS = frozenset(
    {"DJANGO_SETTINGS_MODULE", "DJANGO_CONFIGURATION", "CELERY_CONFIG_MODULE", "FLASK_APP", "FLASK_ENV"}
    | {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"}
    | {"PYTHONUNBUFFERED", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "TZ", "LANG", "LC_ALL"}
)
# What fleet.toml says in another way, or has no need of.
_SAID = frozenset({"CELERY_APP", "PATH", "PYTHONPATH", "C_FORCE_ROOT", "HOME", "USER", "CELERY_BIN"})
_OF_HEROKU = frozenset({"REMAP_SIGTERM"})
BROKER_URLS = ("CELERY_BROKER_URL", "BROKER_URL")


def harmless(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables whose values are written."""
    return {key: value for key, value in environment.items() if key in HARMLESS and "$" not in value}


def unwritten(environment: Mapping[str, str]) -> list[str]:
    """Names of those that somebody has to hand to the workers in another way."""
    written = harmless(environment)
    return [
        name
        for name in environment
        if name not in {*written, *_SAID, *_OF_HEROKU, *BROKER_URLS}
        and not name.startswith(("CELERYD_", "CELERYBEAT_"))
    ]
