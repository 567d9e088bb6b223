"""The dashboard's API against its OpenAPI file: every route is in it, and nothing else; and what it found."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from fleet.dashboard.application import api_routes
from fleet.dashboard.controller_client import ControllerAnswer, ControllerClient
from fleet.launch_specs import DashboardLaunch
from fleet.statedir import StateDir
from tests.support import ROOT
from tests.unit.dashboard.asking import Asking, bearer

FILE = ROOT / "docs" / "reference" / "openapi.json"
SAID: dict[str, Any] = json.loads(FILE.read_text())


def test_every_route_is_in_the_file_and_nothing_else(tmp_path: Path) -> None:
    launch = DashboardLaunch("shop", str(tmp_path), listen="127.0.0.1:1", token_file=str(tmp_path / "t"))
    there = {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in api_routes(launch, StateDir(tmp_path))[0]
        for method in (route.methods or set()) - {"HEAD"}
    }
    said = {(path, method) for path, methods in SAID["paths"].items() for method in methods}
    assert said == there


def test_no_route_takes_another_method(tmp_path: Path) -> None:
    """The gate looks closely at what is POSTed, and leaves others to the routes."""
    app = Asking(tmp_path).app._app
    assert isinstance(app, Starlette)
    for route in app.routes:
        assert isinstance(route, Route)
        assert (route.methods or set()) in ({"GET", "HEAD"}, {"POST"}), route.path


def test_what_it_refers_to_is_there_and_used() -> None:
    named = set(re.findall(r'"#/components/(\w+/\w+)"', FILE.read_text()))
    there = {f"{kind}/{name}" for kind in ("schemas", "responses") for name in SAID["components"][kind]}
    assert named == there


def test_parameters_in_a_path_are_declared() -> None:
    for path, methods in SAID["paths"].items():
        for operation in methods.values():
            declared = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path)), path


def test_what_nobody_expects_is_refused_in_words(tmp_path: Path) -> None:
    asking = Asking(tmp_path)
    ann = bearer("ann")
    for path in ("9" * 5000, "1", "x"):
        assert asking.ask(f"/api/dead/jobs/{path}/stop", {}, authorization=ann).status == 404
    for older in ("nan", "inf", "-1", "soon"):
        said = asking.ask(
            "/api/dead/jobs", {"verb": "count", "filter": {"older_seconds": older}}, authorization=ann
        )
        assert (said.status, said.error[:21]) == (400, "filter: older_seconds"), older
    said = asking.ask("/api/dead/jobs", {"verb": "\ud800"}, authorization=ann)
    assert said.status == 400
    assert asking.ask("/api/status", authorization="Bearer wrong").headers["www-authenticate"] == "Bearer"
    for verb in ("count", "retry"):
        asked = {"verb": verb, "most": 1, "kwargs_json": {}}
        assert asking.ask("/api/dead/jobs", asked, authorization=ann).status == 400
    assert asking.ask("/api/reload", authorization=ann).headers["allow"] == "POST"


def test_a_refusal_that_quotes_half_of_a_surrogate_pair_is_still_an_answer(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(exist_ok=True)
    asking = Asking(tmp_path)
    said = asking.ask("/api/dead/reveal", b'{"id": "\\ud800"}', authorization=bearer("ann"))
    assert said.status in (404, 502)
    assert "bug" not in said.error


def test_the_plan_reads_the_fleets_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings quote the lines that are wrong, and whoever may look may ask."""
    asked: list[str] = []

    async def get(_: ControllerClient, path: str, **__: Any) -> ControllerAnswer:
        asked.append(path)
        return ControllerAnswer(200, "application/json", b"{}")

    monkeypatch.setattr(ControllerClient, "get", get)
    assert Asking(tmp_path).ask("/api/plan", query="file=/etc/passwd&env=a%26file=b").status == 200
    assert asked == ["/plan?env=a%26file%3Db"]
