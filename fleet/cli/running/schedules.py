"""The schedules of a running fleet, as its controller tells them; of one that does not run, as the file has them."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from fleet.cli.exits import Exit
from fleet.cli.options import Failure
from fleet.launch_specs import ScheduleSpec

Coming = tuple[int, ScheduleSpec]
"""When it is sent, in milliseconds since 1970."""


def known_schedules(file: Path | None, env: str | None) -> dict[str, Any]:
    """`running`, and as `GET /schedules` answers, each with its `next` five. Raises Failure."""
    from fleet.cli.file.loading import load_fleet
    from fleet.cli.file.locate import locate
    from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable
    from fleet.config.resolve import schedules
    from fleet.controller.observed.schedules import schedules_status, with_next

    fleet = load_fleet(file, env)
    _, state = locate(file, env)
    try:
        answer = ApiClient(state.api_socket).get("/schedules")
    except (ControllerUnavailable, ApiError):
        declared = schedules(fleet)
        now, found = time.time(), zip(declared, schedules_status(declared, {}), strict=True)
        shown = [with_next(fleet.name, schedule, each, now) for schedule, each in found]
        return {"running": False, "scheduler": None, "schedules": shown}
    return {"running": True, "scheduler": answer["scheduler"], "schedules": answer["schedules"]}


def coming(fleet: str, schedules: Sequence[ScheduleSpec], now: int, count: int) -> list[Coming]:
    """The next runs of all of them together, in order."""
    from fleet.schedules.due import next_runs

    def runs(schedule: ScheduleSpec) -> Iterator[Coming]:
        return ((moment, schedule) for moment in next_runs(fleet, schedule, now))

    merged = heapq.merge(*map(runs, schedules), key=lambda each: (each[0], each[1].name))
    return list(islice(merged, count))


def read_expression(text: str, timezone: str) -> ScheduleSpec:
    """A schedule by that alone. Raises Failure."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from fleet.config.units import parse_duration
    from fleet.schedules.moments import BadCron, check_cron

    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Failure(
            f'--timezone {timezone}: no such time zone; one is "Europe/Berlin"', Exit.USAGE
        ) from None
    try:
        period = parse_duration(text).total_seconds()
    except ValueError:
        try:
            check_cron(text)
        except BadCron as error:
            raise Failure(f'{text!r}: {error}; or give a time, as in "30s"', Exit.USAGE) from None
        return ScheduleSpec("preview", "preview", cron=text, timezone=timezone)
    if period < 0.1:
        raise Failure(f"{text!r}: expected a time from 100ms on", Exit.USAGE)
    return ScheduleSpec("preview", "preview", every_seconds=period, timezone=timezone)


def starting_at(text: str, timezone: str) -> int:
    """A date, or a date and a time, on the clocks of that zone; milliseconds. Raises Failure."""
    from zoneinfo import ZoneInfo

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            f"--from {text}: expected a date, as in 2027-03-27 or 2027-03-27T12:00", Exit.USAGE
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))).timestamp() * 1000)
