"""The part of the API that shows: statistics, history, errors, what runs, one message. Shapes: docs/reference/api.md.

GET /statistics?window=SECONDS · GET /errors?queue=&task=&since= · GET /running?group= · GET /ended?group=
GET /history?kind=&name=&task=&from=&to=&step= · GET /history/series · GET /history/events?before=&limit=
GET /messages/ID · GET /metrics · GET /alerts · GET /stacks?worker= · GET /delayed?queue=&limit=
GET /schedules · GET /route?task=
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fleet.controller.api import answers, delayed, schedules
from fleet.controller.api.metrics import metrics
from fleet.controller.api.one_message import find_message
from fleet.controller.api.running_tasks import ended, running
from fleet.controller.api.stacks import stacks
from fleet.controller.api.statistics import DEFAULT_WINDOW_SECONDS, counted, errors, statistics
from fleet.controller.history import ranges
from fleet.controller.history.history import gauges
from fleet.controller.history.points import KINDS, STEPS
from fleet.controller.history.totals import Key
from fleet.controller.reconciler import Reconciler

_DEFAULT_RANGE_SECONDS = 3600.0
_LONGEST_WINDOW_SECONDS = 900.0


def routes(reconciler: Reconciler) -> list[Route]:
    """For the application."""
    history = reconciler.history

    async def get_statistics(request: Request) -> Response:
        window = min(_number(request, "window", DEFAULT_WINDOW_SECONDS), _LONGEST_WINDOW_SECONDS)
        answer = statistics(history.ledger, time.time(), *history.window(window))
        ran = history.facts.get("groups", {})
        return JSONResponse({**answer, "groups_ran": ran, "history": _state(reconciler)})

    async def get_errors(request: Request) -> Response:
        query = request.query_params
        found = errors(
            list(history.ledger.errors.items()),
            queue=query.get("queue"),
            task=query.get("task"),
            since=_number(request, "since", 0.0),
        )
        return JSONResponse({"errors": found, "unseen": history.ledger.unseen})

    async def get_schedules(_: Request) -> Response:
        status = await answers.status(reconciler)
        if status is None:
            raise HTTPException(503, "the controller has no valid configuration yet")
        return JSONResponse(await schedules.answer(reconciler, status))

    async def get_running(request: Request) -> Response:
        return JSONResponse(await running(reconciler, request.query_params.get("group")))

    async def get_ended(request: Request) -> Response:
        return JSONResponse(await ended(reconciler, request.query_params.get("group")))

    async def get_history(request: Request) -> Response:
        query, now = request.query_params, time.time()
        kind = query.get("kind", "")
        if kind not in KINDS:
            raise HTTPException(400, f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
        key = Key(kind, query.get("name", "fleet" if kind == "fleet" else ""), query.get("task", ""))
        end = _number(request, "to", now + 60)
        begin = _number(request, "from", end - _DEFAULT_RANGE_SECONDS)
        step = int(_number(request, "step", ranges.step_for(begin, end, now)))
        if step not in STEPS:
            raise HTTPException(400, f"step: expected one of {', '.join(map(str, STEPS))}, got {step}")
        found = await _read(ranges.series, reconciler.state.history, key, begin, end, step)
        return JSONResponse(_series(key, begin, end, found))

    async def get_series(_: Request) -> Response:
        found = await _read(ranges.names, reconciler.state.history)
        return JSONResponse(
            {"series": [{"kind": each.kind, "name": each.name, "task": each.task} for each in found]}
        )

    async def get_events(request: Request) -> Response:
        before = request.query_params.get("before")
        limit = int(_number(request, "limit", 100.0))
        since = None if before is None else int(_number(request, "before", 0.0))
        return JSONResponse({"events": await _events(reconciler, since, limit)})

    async def get_message(request: Request) -> Response:
        return JSONResponse(await find_message(reconciler, request.path_params["id"]))

    async def get_metrics(request: Request) -> Response:
        text, content_type = await metrics(reconciler, request.headers.get("accept", ""))
        return Response(text, media_type=content_type)

    async def get_delayed(request: Request) -> Response:
        limit = int(_number(request, "limit", 100.0))
        return JSONResponse(await delayed.listed(reconciler, request.query_params.get("queue"), limit))

    async def get_stacks(request: Request) -> Response:
        return JSONResponse(await stacks(reconciler, request.query_params.get("worker", "")))

    async def get_alerts(_: Request) -> Response:
        ledger = reconciler.alerting.ledger if reconciler.alerting else None
        firing = ledger.firing if ledger else {}
        return JSONResponse(
            {
                "firing": [
                    {"alert": name, "since": each.since, "summary": each.summary, "remedy": each.remedy}
                    for name, each in firing.items()
                ],
                "undelivered": len(ledger.pending) if ledger else 0,
            }
        )

    async def get_route(request: Request) -> Response:
        found = answers.route(reconciler, request.query_params.get("task", ""))
        if found is None:
            raise HTTPException(503, "the controller has no valid configuration yet")
        return JSONResponse(found)

    return [
        Route("/statistics", get_statistics),
        Route("/errors", get_errors),
        Route("/running", get_running),
        Route("/ended", get_ended),
        Route("/schedules", get_schedules),
        Route("/history", get_history),
        Route("/history/series", get_series),
        Route("/history/events", get_events),
        Route("/messages/{id}", get_message),
        Route("/metrics", get_metrics),
        Route("/alerts", get_alerts),
        Route("/stacks", get_stacks),
        Route("/delayed", get_delayed),
        Route("/route", get_route),
    ]


def _number(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0 <= number <= 2**53:
        raise HTTPException(400, f"{name}: expected a number, 0 or more, got {text!r}")
    return number


def _state(reconciler: Reconciler) -> dict[str, Any]:
    history = reconciler.history
    return {"error": history.error, "bytes": history.bytes, "dropped": dict(history.dropped)}


async def _read(read: Any, *arguments: Any) -> Any:
    try:
        return await asyncio.to_thread(read, *arguments)
    except (ranges.ReadingFailed, OSError, ValueError) as error:
        raise HTTPException(503, f"the history can't be read: {error}") from error


def _series(key: Key, begin: float, end: float, found: ranges.Series) -> dict[str, Any]:
    points = [
        {
            "at": at,
            **gauges(key.kind, point),
            **(counted(point.counts, found.step_seconds) if point.counts else {}),
        }
        for at, point in found.points
    ]
    return {
        "kind": key.kind,
        "name": key.name,
        "task": key.task,
        "from": begin,
        "to": end,
        "step_seconds": found.step_seconds,
        "points": points,
    }


async def _events(reconciler: Reconciler, before: int | None, limit: int) -> list[dict[str, Any]]:
    """Of memory and of the file: the latest are not written yet."""
    latest = [
        event.to_dict() for event in reconciler.log.after(0) if before is None or event.sequence < before
    ]
    latest = latest[::-1][:limit]
    if len(latest) < limit:
        oldest = latest[-1]["sequence"] if latest else before
        latest += await _read(ranges.events, reconciler.state.history, oldest, limit - len(latest))
    return latest
