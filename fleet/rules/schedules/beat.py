"""The keys about the `beat_schedule` of a Celery app."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding, Mark
from fleet.rules.registry import rule


@rule(
    "FLT812",
    "beat-without-effect",
    "warning",
    reads=("fleet.beat", "fleet.beat_scheduler", "fleet.app"),
)
def beat_without_effect(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A `beat_scheduler` that does not run.

    `beat_scheduler` names the class that sends the `beat_schedule` of a Celery app, in the place of the class that the
    app names. With `beat = false`, or without a Celery app, nothing is sent, and the line looks as if something were.

    Bad:

        [fleet]
        app = "shop.celery:app"
        beat = false
        beat_scheduler = "django_celery_beat.schedulers:DatabaseScheduler"

    Good:

        [fleet]
        app = "shop.celery:app"
        beat_scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
    """
    project = fleet.project
    if project.beat_scheduler is None:
        return
    path = ("fleet", "beat_scheduler")
    if not project.beat:
        yield Finding(
            path,
            f"{project.beat_scheduler} does not run: `beat` is false",
            related=(Mark(("fleet", "beat"), "said here"),),
            help="remove one of the two",
        )
    elif not project.has_celery_app:
        yield Finding(
            path,
            f"{project.beat_scheduler} does not run: `app` names no Celery app",
            related=(Mark(("fleet", "app"), 'a Celery app is "shop.celery:app"'),),
            help="remove it, or name the app",
        )
