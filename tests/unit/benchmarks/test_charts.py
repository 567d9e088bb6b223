"""Lines of figures over sizes, as SVG."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import charts
from benchmarks.lines import Line, Panel, Scale, draw
from benchmarks.results import Results
from benchmarks.scaling import BACKLOG, MOST_BYTES, REPLICAS, Cell
from benchmarks.scenarios import SCENARIOS

AMOUNTS = st.lists(st.floats(0.001, 1e9), min_size=1, max_size=20)


def measured(cells: list[Cell], scenario: str, **metrics: float) -> Results:
    found = Results({}, {})
    for cell in cells:
        found.add(scenario, cell, metrics)
    return found


@given(AMOUNTS)
def test_every_value_has_a_place_on_its_scale_and_more_is_higher(values: list[float]) -> None:
    scale = Scale.of(values)
    places = [scale.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(-1e-6 <= place <= 1 + 1e-6 for place in places)


@given(AMOUNTS)
def test_ticks_go_from_end_to_end(values: list[float]) -> None:
    scale = Scale.of(values)
    assert scale.place(scale.ticks()[0]) == pytest.approx(0)
    assert scale.place(scale.ticks()[-1]) == pytest.approx(1)


def test_what_goes_over_orders_of_magnitude_is_drawn_in_powers_of_ten() -> None:
    assert Scale.of([3.0, 4000.0]).ticks() == [1, 10, 100, 1000, 10_000]
    assert Scale.of([300.0, 1500.0]).ticks() == [0, 500, 1000, 1500, 2000]
    assert Scale.of([0.0]).ticks()[0] == 0


def test_a_line_has_the_same_colour_in_each_panel_and_in_the_legend() -> None:
    one, other = Line("one <&>", [(1, 5), (2, 6)]), Line("other", [(1, 1), (2, 3)], dashed=True)
    panels = [Panel("tasks/s", "workers", [one, other]), Panel("MB", "workers", [other])]
    root = ElementTree.fromstring(draw(panels))
    theirs = {path.get("stroke") for path in root.findall("{*}path") if path.get("class") == "theirs"}
    ours = {path.get("stroke") for path in root.findall("{*}path") if path.get("class") == "ours"}
    assert len(theirs) == len(ours) == 1
    assert not theirs & ours
    texts = [text.text for text in root.findall("{*}text")]
    assert texts.count("one <&>") == 1
    assert {"tasks/s", "MB", "1", "2"} <= set(texts)


def test_one_size_alone_is_drawn() -> None:
    ElementTree.fromstring(draw([Panel("MB", "workers", [Line("one", [(4, 7.0)])])]))


def test_a_series_has_the_cells_that_were_measured() -> None:
    fleet = [cell for cell in REPLICAS if cell.line == "fleet, Redis"]
    celery = [cell for cell in REPLICAS if cell.line == "Celery, Redis"]
    found = measured([*fleet, *celery[:2]], "replicas", tasks_per_second=100.0)
    ours, theirs = charts.series(found, "replicas", "tasks_per_second")
    assert [at for at, _ in ours.points] == [1, 2, 4, 8]
    assert [at for at, _ in theirs.points] == [1, 2]
    assert (ours.dashed, theirs.dashed) == (False, True)


@pytest.mark.parametrize("name", charts.LINES)
def test_every_line_has_each_size_once(name: str) -> None:
    places = [
        (cell.line, cell.at) for cell in SCENARIOS[name].contenders if isinstance(cell, Cell) and cell.line
    ]
    assert len(places) == len(set(places)) > 1


def test_only_what_was_measured_is_drawn() -> None:
    assert charts.all_of(Results({}, {})) == {}
    assert set(charts.all_of(measured(BACKLOG[:2], "backlog", ms_per_message=0.1))) == {"backlog"}


def test_no_backlog_is_bigger_than_memory() -> None:
    assert {cell.messages * cell.payload <= MOST_BYTES for cell in BACKLOG} == {True}
    assert len(BACKLOG) == 3 * 8
