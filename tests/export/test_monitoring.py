"""`fleet export grafana|alerts`: each queue with its own threshold, and only metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.controller.metrics.metric_names import METRICS
from tests.export.exporting import EVERYTHING, export, written

ODD = (
    EVERYTHING.replace("[queues.images]", '[queues.images]\nalert_wait = "90s"')
    .replace("[queues.http]", '[queues."we\\"ird {{ $x }}"]\n\n[queues.http]')
    .replace('queues = ["images"]', 'queues = ["images", "we\\"ird {{ $x }}"]')
)

SCHEDULE = '\n[[schedules]]\ntask = "shop.nightly"\ncron = "0 3 * * *"\n'


def rules(folder: Path) -> list[dict[str, Any]]:
    found = export(folder, "alerts", ODD + SCHEDULE)
    assert (found.exception, found.return_value) == (None, 0), found.output
    [text] = written(folder).values()
    return yaml.safe_load(text)["groups"][0]["rules"]  # type: ignore[no-any-return]


def panels(folder: Path) -> list[dict[str, Any]]:
    found = export(folder, "grafana", ODD)
    assert (found.exception, found.return_value) == (None, 0), found.output
    [text] = written(folder).values()
    return json.loads(text)["panels"]  # type: ignore[no-any-return]


def test_the_threshold_of_a_queue_is_what_the_file_says(tmp_path: Path) -> None:
    by_queue = {
        each["labels"]["queue"]: each["expr"]
        for each in rules(tmp_path)
        if each["alert"] == "FleetQueueWaits"
    }
    assert "> 20 or" in by_queue["http"], "target_latency of its group"
    assert "> 90 or" in by_queue["images"], "alert_wait goes before"
    titles = [each["title"] for each in panels(tmp_path / "grafana")]
    assert any("of images wait (alert_wait: 90 s)" in title for title in titles)


def test_a_missed_run_has_a_rule_where_there_are_schedules(tmp_path: Path) -> None:
    assert "FleetScheduleMissed" in [each["alert"] for each in rules(tmp_path)]


@pytest.mark.parametrize(("beat", "is_there"), [("true", True), ("false", False)])
def test_a_missed_run_of_a_celery_app_has_a_rule(tmp_path: Path, beat: str, is_there: bool) -> None:
    text = f'[fleet]\napp = "shop.celery:app"\nbeat = {beat}\n[queues.q]\n[workers.w]\nqueues = ["q"]\npool = "solo"\n'
    assert export(tmp_path, "alerts", text).exception is None
    [written_rules] = written(tmp_path).values()
    assert ("FleetScheduleMissed" in written_rules) == is_there


@pytest.mark.parametrize("target", ["alerts", "grafana"])
def test_only_metrics_that_there_are_are_asked_for(tmp_path: Path, target: str) -> None:
    export(tmp_path, target, ODD + SCHEDULE)
    [text] = written(tmp_path).values()
    known = {each.name for each in METRICS}
    used = set(re.findall(r"\bfleet_[a-z_]+", text))
    assert used
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} <= known


def test_panels_lie_beside_each_other_and_none_on_another(tmp_path: Path) -> None:
    taken = set()
    for panel in panels(tmp_path):
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_promtool_takes_every_rule(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    rules(tmp_path)
    [name] = written(tmp_path)
    done = subprocess.run(
        [promtool, "check", "rules", str(tmp_path / "out" / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "duplicate" not in done.stdout + done.stderr
