from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.guesses import guess
from fleet.config.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86400),
        ("1.5h", 5400),
        (10, 10),
        (0.5, 0.5),
        (0, 0),
    ],
)
def test_a_duration_is_parsed_to_its_length(value: object, seconds: float) -> None:
    assert parse_duration(value) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "30",
        "5 m",
        "5m\n",
        "1h30m",
        "-5s",
        "5M",
        "s",
        -1,
        True,
        None,
        [],
        float("inf"),
        float("nan"),
        1e300,
        "9" * 30 + "d",
    ],
)
def test_a_text_that_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("value", "size"),
    [("512MiB", 2**29), ("1.5GiB", 3 * 2**29), ("512MB", 512_000_000), ("1kB", 1000), ("7B", 7), (7, 7)],
)
def test_a_size_is_parsed_to_its_bytes(value: object, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize("value", ["", "512", "512 MiB", "512M", "512mib", -1, 1.5, True, None])
def test_a_value_that_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(value)


@given(st.integers(0, 10**9))
def test_a_formatted_duration_is_parsed_to_the_same_length(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


def test_a_size_is_formatted_with_a_binary_unit() -> None:
    assert [format_size(size) for size in (0, 1023, 2**29, 3 * 2**29)] == ["0B", "1023B", "512MiB", "1.5GiB"]


@pytest.mark.parametrize(
    ("kind", "value", "meant"),
    [
        ("duration", "10 mins", ("10m", True)),
        ("duration", "30 sec", ("30s", True)),
        ("duration", "30", ("30s", True)),
        ("duration", "1h30m", ("90m", True)),
        ("duration", "1 Hour", ("1h", True)),
        ("duration", "5M", ("5m", True)),
        ("duration", "soon", None),
        ("duration", "2 weeks", None),
        ("duration", -3, None),
        ("size", "512Mi", ("512MiB", True)),
        ("size", "512 mb", ("512MB", True)),
        ("size", "512M", ("512MiB", False)),
        ("size", "1g", ("1GiB", False)),
        ("size", "536870912", ("536870912B", True)),
        ("size", "much", None),
        ("int_type", "2", (2, True)),
        ("int_type", "0", None),
        ("int_type", "two", None),
        ("int_from_float", 2.0, (2, True)),
        ("bool_type", "True", (True, True)),
        ("bool_type", 1, None),
        ("string_type", 1, ("1", True)),
        ("string_type", False, ("false", True)),
        ("tuple_type", "http", (["http"], True)),
        ("pool", "Gevent", ("gevent", True)),
        ("pool", "processes", ("prefork", True)),
        ("pool", "twisted", None),
    ],
)
def test_a_wrong_unit_is_guessed_at(kind: str, value: object, meant: object) -> None:
    assert guess(kind, value) == meant
