"""What the runner makes of its numbers: medians, ratios, tables, a comparison, a page with charts."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import charts, page, tables, targets
from benchmarks.chart import Bar, draw
from benchmarks.comparison import compare, verdict
from benchmarks.contenders import Contender
from benchmarks.results import METRICS, Results
from benchmarks.scenarios import SCENARIOS
from benchmarks.wanted import WANTED

FLEET = Contender("fleet prefork 2", "fleet", "redis", "prefork")
CELERY = Contender("Celery prefork 2", "celery", "redis", "prefork")
HUEY = Contender("huey 2 processes", "huey", "redis", "process", loses=True)
OURS, THEIRS = "redis: fleet prefork 2", "redis: Celery prefork 2"


def measured(**rates: list[float]) -> Results:
    """Tasks per second by library, one for each round."""
    found = Results({"at": "today", "system": "Linux", "cpus": 2, "python": "3.11"}, {"fleet": "abc"})
    for contender in (FLEET, CELERY, HUEY):
        for rate in rates.get(contender.library, []):
            found.add("throughput", contender, {"tasks_per_second": rate, "pss_megabytes": 50.0})
    return found


def test_a_ratio_is_that_of_the_rounds_not_of_the_medians() -> None:
    """In the second round something else had the machine: it hit both."""
    found = measured(fleet=[10_000, 1_000, 12_000], celery=[1_000, 100, 1_500])
    assert found.ratio("throughput", "tasks_per_second", OURS, THEIRS) == 10
    assert found.median("throughput", OURS, "tasks_per_second") == 10_000


def test_after_a_failed_round_there_are_no_pairs_and_the_medians_count() -> None:
    found = measured(fleet=[10_000, 12_000, 11_000], celery=[1_000, 1_000])
    assert found.ratio("throughput", "tasks_per_second", OURS, THEIRS) == 11


@pytest.mark.parametrize(
    "rates", [{}, {"fleet": [1.0]}, {"celery": [1.0]}, {"fleet": [1.0], "celery": [0.0]}]
)
def test_what_was_not_measured_has_no_ratio(rates: dict[str, list[float]]) -> None:
    assert measured(**rates).ratio("throughput", "tasks_per_second", OURS, THEIRS) is None


def test_the_table_marks_who_loses_messages() -> None:
    lines = tables.of_scenario(measured(fleet=[9_000, 10_000], huey=[5_000]), "throughput").splitlines()
    assert lines[0] == "| broker |  | tasks/s | PSS MB | fleet ahead by |"
    assert lines[2:] == [
        "| redis | **fleet prefork 2** | 9,500 (9,000 to 10,000) | 50 |  |",
        "| redis | huey 2 processes † | 5,000 | 50 | 1.9 times |",
    ]


def test_the_table_says_how_near_fleet_is_to_the_fastest_raw_client() -> None:
    found = measured(fleet=[9_000])
    for name, rate in (("raw, slow", 10_000), ("raw, batched", 20_000)):
        found.add("throughput", Contender(name, "raw", "redis", "redis"), {"tasks_per_second": rate})
    lines = tables.of_scenario(found, "throughput").splitlines()
    assert lines[0] == "| broker |  | tasks/s | PSS MB | of the raw client |"
    assert lines[2] == "| redis | **fleet prefork 2** | 9,000 | 50 | 45% |"
    assert lines[3] == "| redis | raw, slow | 10,000 |  |  |"


def test_a_peer_is_compared_with_the_same_pool_where_fleet_has_it() -> None:
    found = measured(fleet=[8_000])
    for library in ("fleet", "Celery"):
        rate = {"fleet": 9_000, "Celery": 1_000}[library]
        contender = Contender(f"{library} gevent 100", library.lower(), "redis", "gevent", 100)
        found.add("throughput", contender, {"tasks_per_second": rate})
    assert tables.of_scenario(found, "throughput").splitlines()[-1].endswith("| 9 times |")


def test_where_less_is_better_ahead_is_the_other_way_round() -> None:
    found = Results({}, {})
    found.add("latency", FLEET, {"p50_ms": 2.0})
    found.add("latency", CELERY, {"p50_ms": 3.0})
    assert tables.of_scenario(found, "latency").splitlines()[-1].endswith("| 1.5 times |")


def test_results_outlive_their_file(tmp_path: Path) -> None:
    found = measured(fleet=[1.0], huey=[2.0])
    found.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == found


def test_a_comparison_tells_better_from_worse_and_both_from_noise() -> None:
    old, new = measured(fleet=[10_000], celery=[1_000]), measured(fleet=[5_000], celery=[1_050])
    old.scenarios["throughput"][OURS]["forgotten_metric"] = [1.0]
    lines = compare(old, new).splitlines()
    assert "| throughput | redis: fleet prefork 2 | tasks/s | 10,000 | 5,000 | 0.50 | worse |" in lines
    assert "| throughput | redis: Celery prefork 2 | tasks/s | 1,000 | 1,050 | 1.05 |  |" in lines


def test_where_less_is_better_half_is_better() -> None:
    assert verdict("tasks_per_second", 2.0) == verdict("pss_megabytes", 0.5) == "better"
    assert verdict("tasks_per_second", 0.5) == verdict("pss_megabytes", 2.0) == "worse"
    assert verdict("tasks_per_second", 1.05) == verdict("pss_megabytes", 0.95) == ""


def test_a_target_is_reached_or_not() -> None:
    twelve_times = targets.table(measured(fleet=[12_000], celery=[1_000]))
    line = "| Redis, prefork | redis, prefork 2: tasks/s | Celery prefork 2 | ≥ 12 times |"
    assert f"{line} 12 times | yes |" in twelve_times
    assert f"{line} 11 times | **no** |" in targets.table(measured(fleet=[11_000], celery=[1_000]))


def test_every_target_is_listed_measured_or_not() -> None:
    nothing = targets.table(Results({}, {}))
    assert len(nothing.splitlines()) == 2 + sum(map(len, WANTED.values()))
    assert nothing.count("not measured") == len(nothing.splitlines()) - 2
    assert targets.missed(Results({}, {})) == set()


def test_the_fastest_of_all_peers_is_found_whoever_it_is() -> None:
    line = "| redis, prefork 2: tasks/s | {} | ≥ 2 times | {} times | {} |"
    huey_leads = targets.table(measured(fleet=[9_000], celery=[1_000], huey=[5_000]))
    assert line.format("huey 2 processes", "1.8", "**no**") in huey_leads
    celery_leads = targets.table(measured(fleet=[9_000], celery=[4_000], huey=[3_000]))
    assert line.format("Celery prefork 2", "2.25", "yes") in celery_leads
    assert targets.missed(measured(fleet=[100_000], celery=[1_000])) == set()
    assert targets.missed(measured(fleet=[1_000], celery=[1_000])) == {"Redis, prefork"}


def test_every_target_is_about_something_that_is_measured() -> None:
    for target in (target for row in WANTED.values() for target in row):
        keys = {contender.key for contender in SCENARIOS[target.scenario].contenders}
        theirs = target.theirs if target.theirs[-1:] not in ("", "*") else target.ours
        assert {target.ours, theirs} <= keys, target
        assert {target.metric, target.than or target.metric} <= METRICS.keys(), target


def test_what_falls_short_wants_words_and_words_want_a_reason() -> None:
    text = f"{page.SHORTFALLS}\n\n### Redis, prefork\n\nwhy\n\n### Latency\n\nwhy\n\n## Next\n\n### Idle\n"
    missing = measured(fleet=[1_000], celery=[1_000])
    assert page.unexplained(text, missing) == ["explained, but not missed: Latency"]
    assert page.unexplained("", missing) == ["missed, and not explained: Redis, prefork"]


def test_the_page_keeps_its_words_and_gets_new_figures() -> None:
    text = "# Speed\n<!-- benchmarks: throughput -->\nold\n<!-- end -->\nwhy\n"
    text += "<!-- benchmarks: machine -->\n<!-- end -->\n"
    once = page.filled(text, measured(fleet=[10_000]))
    assert once.startswith("# Speed\n<!-- benchmarks: throughput -->\n\n| broker |")
    assert "old" not in once
    assert "<!-- end -->\nwhy\n" in once
    assert "2 CPUs, Python 3.11" in once
    assert page.filled(once, measured(fleet=[10_000])) == once


def test_the_page_has_a_place_for_every_scenario() -> None:
    names = [name for _, name, _ in page.BLOCK.findall(page.PAGE.read_text())]
    assert sorted(names) == sorted(["machine", "targets", *SCENARIOS])
    assert page.SHORTFALLS in page.PAGE.read_text()


def test_a_page_is_written_with_its_charts(tmp_path: Path) -> None:
    file, folder = tmp_path / "page.md", tmp_path / "charts"
    file.write_text("<!-- benchmarks: throughput -->\n<!-- end -->\n<!-- benchmarks: io -->\n<!-- end -->\n")
    assert page.write(measured(fleet=[1.0]), file, folder) == []
    assert "the raw clients](charts/throughput.svg)\n\n| broker |" in file.read_text()
    assert "Not measured yet." in file.read_text()
    assert [path.name for path in folder.iterdir()] == ["throughput.svg"]


def test_the_chart_is_xml_with_a_bar_for_each_and_the_longest_first() -> None:
    groups = charts.bars(measured(fleet=[10_000], celery=[1_000], huey=[5_000]))
    chart = ElementTree.fromstring(draw([*groups, ("<&>", [Bar("none", 0.0, "limit")])]))
    bars = chart.findall("{*}rect")
    assert [bar.get("class") for bar in bars] == ["ours", "theirs", "theirs", "limit"]
    widths = [float(str(bar.get("width"))) for bar in bars]
    assert widths[0] == pytest.approx(10 * widths[2])
    texts = [text.text for text in chart.findall("{*}text")]
    assert "huey 2 processes (loses messages)" in texts
    assert "<&>" in texts
