"""A CronJob for each of [[schedules]], where the cluster itself is to be the clock.

The Job only knows that it is time: `fleet schedule fire` sends the run, once, by its identity. Expressions are held
against what Kubernetes reads (robfig/cron's standard parser: five fields, no L, W or #, Sunday is 0).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fleet.config.model import Schedule, format_duration
from fleet.export.facts import Facts, slug
from fleet.export.problem import Problem

_FIELD = re.compile(r"[0-9a-z*/,\-]+", re.IGNORECASE)
_NAMES = re.compile(r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat)\b")
_NICKNAMES = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
_HOUR, _DAY = 60, 24 * 60  # minutes
_MISSED_SECONDS = 86_400
_JOB_LABEL = "batch.kubernetes.io/job-name"


def cron_jobs(facts: Facts, pod: dict[str, Any]) -> list[dict[str, Any]]:
    """`pod` is what they share."""
    return [
        _cron_job(facts, each, cron, pod)
        for each in facts.fleet.schedules
        if (cron := _expression(each)) is not None
    ]


def cron_problems(facts: Facts) -> Iterator[Problem]:
    """What of the schedules a CronJob can't say."""
    seen: dict[str, str] = {}
    for index, schedule in enumerate(facts.fleet.schedules):
        key = "cron" if schedule.cron is not None else "every"
        if _expression(schedule) is None:
            said = schedule.cron if schedule.cron is not None else _period(schedule)
            yield Problem(
                ("schedules", index, key),
                f'Kubernetes has no expression for "{said}": five fields, minutes at best, no L, W, # or 7',
                "--schedules view",
            )
        if schedule.catch_up == "all":
            yield Problem(
                ("schedules", index, "catch_up"),
                "of several runs that were missed a CronJob starts the last one",
                "--schedules view",
                "warning",
            )
        name = _name(facts, schedule)
        if name in seen:
            yield Problem(
                ("schedules", index),
                f"schedules {seen[name]!r} and {schedule.called!r} would both be called {name!r}",
                "rename one of them: only small letters, digits and dashes count",
            )
        seen.setdefault(name, schedule.called)
    if facts.fleet.project.has_celery_app and facts.fleet.project.beat:
        yield Problem(
            ("fleet", "app"),
            "what `beat_schedule` of the Celery app says is known to the app alone: no CronJob is made of it",
            "--schedules view, or `beat = false` if there is none",
            "warning",
        )


def _name(facts: Facts, schedule: Schedule) -> str:
    return slug(f"{facts.name}-{schedule.called}")  # at most 52 characters: Jobs add their minute


def _cron_job(facts: Facts, schedule: Schedule, cron: str, pod: dict[str, Any]) -> dict[str, Any]:
    name = _name(facts, schedule)
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": facts.slug}
    [container] = pod["containers"]
    command = ["fleet", "schedule", "fire", schedule.called]
    job = {"name": "FLEET_JOB", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{_JOB_LABEL}']"}}}
    own = {**container, "command": command, "env": [*container["env"], job]}
    zone = "Etc/UTC" if schedule.every is not None else schedule.timezone or facts.fleet.project.timezone
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "schedule": cron,
            "timeZone": "Etc/UTC" if zone == "UTC" else zone,
            "suspend": not schedule.enabled,
            # Two at a time are no harm: each sends its own moment, or finds that it is sent.
            "concurrencyPolicy": "Allow",
            "startingDeadlineSeconds": 60 if schedule.catch_up == "none" else _MISSED_SECONDS,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 10,
                    "ttlSecondsAfterFinished": _MISSED_SECONDS,
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {**pod, "restartPolicy": "Never", "containers": [own]},
                    },
                }
            },
        },
    }


def _expression(schedule: Schedule) -> str | None:
    """As Kubernetes reads it; None when it can't be said so."""
    if schedule.every is not None:
        return _of_period(schedule.every.total_seconds())
    text = (schedule.cron or "").strip().lower()
    if text in _NICKNAMES:
        return text
    fields = text.split()
    if len(fields) != 5 or not all(_FIELD.fullmatch(each) for each in fields):
        return None
    if any(re.search(r"[a-z]", _NAMES.sub("", each)) for each in fields) or "7" in fields[4]:
        return None
    if fields[2] != "*" and fields[4] != "*" and "*" in (fields[2][0], fields[4][0]):
        return None  # with */2 there days are joined with "or", here as in Debian's cron with "and"
    return " ".join(fields)


def _period(schedule: Schedule) -> str:
    """As fleet.toml says it."""
    return f"every {format_duration(schedule.every)}" if schedule.every is not None else "no time"


def _of_period(seconds: float) -> str | None:
    minutes, rest = divmod(seconds, 60)
    if rest or not minutes:
        return None
    if minutes < _HOUR:
        return f"*/{minutes:.0f} * * * *" if _HOUR % minutes == 0 else None
    if minutes % _HOUR or _DAY % minutes:
        return None
    hours = minutes // _HOUR
    return f"0 */{hours:.0f} * * *" if minutes < _DAY else "0 0 * * *"
