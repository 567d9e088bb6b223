"""The page's side: start a task, and ask what became of it."""

from celery.result import AsyncResult
from flask import Blueprint, request

from sums import tasks

blueprint = Blueprint("tasks", __name__, url_prefix="/tasks")


@blueprint.post("/add")
def add() -> dict[str, object]:
    return {"result_id": tasks.add_with_tax.delay(request.json["cents"]).id}


@blueprint.post("/count")
def count() -> dict[str, object]:
    return {"result_id": tasks.count_up.delay(request.json["to"]).id}


@blueprint.post("/refuse")
def refuse() -> dict[str, object]:
    return {"result_id": tasks.refuse.delay(request.json["reason"]).id}


@blueprint.get("/result/<ident>")
def result(ident: str) -> dict[str, object]:
    found = AsyncResult(ident)
    ready = found.ready()
    return {
        "ready": ready,
        "successful": found.successful() if ready else None,
        "value": found.get() if found.successful() else str(found.info) if ready else found.info,
    }
