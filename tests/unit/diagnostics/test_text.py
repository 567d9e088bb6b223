"""What a person sees."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.diagnostics import Diagnostic, Related, Span
from fleet.diagnostics.excerpt import cells, excerpt
from fleet.diagnostics.masking import mask_lines
from fleet.diagnostics.text import Style, render, summary

TEXT = '[queues.img]\nworkload = "cpu"\n\n[workers.img]\n\tpool = "gevent"\n'


def a_finding(**changes: object) -> Diagnostic:
    given_values: dict[str, object] = {
        "code": "FLT307",
        "name": "cpu-queue-on-green-pool",
        "severity": "error",
        "message": "CPU-bound tasks on a gevent pool",
        "path": "workers.img.pool",
        "span": Span(5, 9, 5, 17),
    }
    return Diagnostic(**{**given_values, **changes})  # type: ignore[arg-type]


def test_a_finding_is_rendered_with_all_that_it_may_have() -> None:
    found = a_finding(
        label="here",
        help="a long advice that does not fit into one line of a narrow terminal, so it is wrapped",
        notes=("second",),
        related=(Related(Span(1, 1, 1, 13), "computes"),),
        environments=("prod",),
    )
    assert render([found], TEXT, "fleet.toml", Style(width=60)) == (
        "error[FLT307]: CPU-bound tasks on a gevent pool\n"
        " --> fleet.toml:5:9 (with --env prod)\n"
        "  |\n"
        "1 | [queues.img]\n"
        "  | ------------ computes\n"
        "...\n"
        '5 |     pool = "gevent"\n'
        "  |            ^^^^^^^^ here\n"
        "  |\n"
        "  = help: a long advice that does not fit into one line of a\n"
        "          narrow terminal, so it is wrapped\n"
        "  = note: second\n"
        "\n"
        "1 error in fleet.toml. `fleet explain FLT307` says more.\n"
    )


def test_colours_only_when_asked_for() -> None:
    plain = render([a_finding()], TEXT, "f", Style())
    coloured = render([a_finding()], TEXT, "f", Style(colour=True))
    assert "\x1b" not in plain
    assert "\x1b[31;1merror[FLT307]\x1b[0m" in coloured


def test_text_of_no_findings_is_empty() -> None:
    assert render([], TEXT, "f", Style()) == ""


def test_summary_counts_each_severity() -> None:
    found = [a_finding(), a_finding(), a_finding(severity="warning"), a_finding(severity="info")]
    assert summary(found) == "2 errors, 1 warning, 1 info"


def test_secrets_are_masked_and_the_mark_follows() -> None:
    line = 'url = "amqp://shop:hunter2@rabbit//" # end'
    found = a_finding(span=Span(1, len(line) - 2, 1, len(line) + 1), message='got "redis://:pw@h"')
    output = render([found], line, "f", Style())
    assert "hunter2" not in output
    assert "pw@" not in output
    shown, marks = output.splitlines()[3:5]
    assert shown.endswith('amqp://shop:***@rabbit//" # end')
    assert shown[marks.index("^") : marks.rindex("^") + 1] == "end"


def test_wide_letters_take_two_cells() -> None:
    line = 'name = "日本" # x'
    shown = excerpt(mask_lines([line]), Span(1, 8, 1, 12), 80)
    assert (shown.start, shown.length) == (7, 6)


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in excerpt(mask_lines(["a = '\x1b[2J'"]), Span(1, 1, 1, 2), 80).text


@given(
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n\r"), max_size=200),
    st.integers(1, 210),
    st.integers(0, 210),
    st.integers(20, 120),
)
def test_an_excerpt_fits_and_its_mark_is_inside(line: str, column: int, length: int, width: int) -> None:
    shown = excerpt(mask_lines([line]), Span(1, column, 1, column + length), width)
    assert cells(shown.text) <= width + 1
    assert 0 <= shown.start <= width
    assert shown.length >= 1
    assert shown.start + shown.length <= max(cells(shown.text), shown.start + 1)


def test_a_span_behind_the_last_line_shows_an_empty_one() -> None:
    assert excerpt(mask_lines(["a = 1"]), Span(3, 1, 3, 1), 80).text == ""
