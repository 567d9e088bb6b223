"""Tables on a terminal: aligned, within its width, colours without width."""

from __future__ import annotations

from fleet.cli.views.text_table import Column, compact, size, table

ROWS = [
    {"name": "http", "count": 3, "queues": "a, b, c, d, e"},
    {"name": "images", "count": 12, "queues": "x"},
]
COLUMNS = [
    Column("NAME", lambda row: str(row["name"])),
    Column("COUNT", lambda row: str(row["count"]), right=True),
    Column("QUEUES", lambda row: str(row["queues"]), shrinks=True),
]


def plain(text: str, _role: str) -> str:
    return text


def test_columns_are_as_wide_as_their_widest_cell_and_aligned() -> None:
    assert list(table(COLUMNS, ROWS, 80, plain)) == [
        "NAME    COUNT  QUEUES",
        "http        3  a, b, c, d, e",
        "images     12  x",
    ]


def test_the_column_that_shrinks_makes_room() -> None:
    lines = list(table(COLUMNS, ROWS, 23, plain))
    assert lines[1] == "http        3  a, b, c…"
    assert all(len(line) <= 23 for line in lines)


def test_the_column_that_shrinks_keeps_some_letters_on_the_narrowest_terminal() -> None:
    assert list(table(COLUMNS, ROWS, 1, plain))[1].endswith("a, b,…")


def test_a_colour_takes_no_room() -> None:
    marked = [Column("N", lambda _row: "x", role=lambda _row: "bad"), Column("M", lambda _row: "y")]
    painted = list(table(marked, [{}], 80, lambda text, role: f"<{role}>{text}</>" if role else text))
    assert painted[1] == "<bad>x</>  y"


def test_large_numbers_are_short() -> None:
    assert [compact(number) for number in (0, 1042, 99_999, 123_456, 4_200_000)] == [
        *("0", "1,042", "99,999", "123k", "4.2M"),
    ]
    assert [size(count) for count in (61e6, 1.2e9)] == ["61 MB", "1.2 GB"]
