"""`fleet send` and `fleet route` for the tasks of a Celery app: without a rule of the file, its own router chooses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.invoke import fleet

FLEET = """\
[fleet]
app = "shop:app"

[queues.celery]
workload = "io"

[queues.images]
workload = "io"

[workers.main]
queues = ["celery", "images"]
pool = "threads"
concurrency = 4
"""
APP = """\
from celery import Celery

app = Celery("shop")
app.conf.task_routes = {"shop.resize": {"queue": "images"}}


@app.task
def fetch(): ...


@app.task
def resize(): ...
"""
RULE = '\n[[routes]]\ntask = "shop.resize"\nqueue = "celery"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    path = tmp_path / "fleet.toml"
    path.write_text(FLEET)
    return path


def test_route_says_where_celerys_router_sends(file: Path) -> None:
    outcome = fleet("route", "shop.resize", "-f", file)
    assert (outcome.code, outcome.out.splitlines()[0]) == (0, "shop.resize → queue images")
    told = json.loads(fleet("route", "shop.fetch", "--json", "-f", file).out)
    assert (told["queue"], told["rule"]) == ("celery", None)


def test_a_rule_of_the_file_goes_before_it(file: Path) -> None:
    file.write_text(FLEET + RULE)
    assert "shop.resize → queue celery" in fleet("route", "shop.resize", "-f", file).out
    assert "shop.fetch → queue celery" in fleet("route", "shop.fetch", "-f", file).out


def test_send_publishes_where_the_apps_own_router_says(file: Path) -> None:
    sent = json.loads(fleet("send", "shop.resize", "cat.png", "--count", "2", "--json", "-f", file).out)
    assert (sent["queue"], len(sent["ids"])) == ("images", 2)


def test_a_task_that_the_app_has_not_is_refused_with_the_remedy(file: Path) -> None:
    for command in ("send", "route"):
        outcome = fleet(command, "shop.resise", "-f", file)
        assert outcome.code == 1
        assert "the Celery app has no task of that name" in outcome.err
    (file.parent / "shop.py").write_text("import shp\n")
    outcome = fleet("send", "shop.fetch", "-f", file)
    assert outcome.code == 1
    assert "No module named 'shp'" in outcome.err
