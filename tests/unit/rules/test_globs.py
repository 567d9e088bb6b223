from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.rules.globs import covers, in_both

NAMES = ["".join(letters) for length in range(5) for letters in product("ab.", repeat=length)]
PATTERNS = st.lists(st.sampled_from(["a", "b", ".", "?", "*", "[ab]", "[!a]"]), max_size=4).map("".join)


@settings(max_examples=300)
@given(PATTERNS, PATTERNS)
def test_what_is_covered_never_matches_alone(general: str, special: str) -> None:
    if covers(general, special):
        for name in NAMES:
            assert not fnmatchcase(name, special) or fnmatchcase(name, general)


@pytest.mark.parametrize(
    ("general", "special", "expected"),
    [
        ("*", "anything", True),
        ("*", "*", True),
        ("shop.*", "shop.images.*", True),
        ("shop.images.*", "shop.*", False),
        ("shop.*", "shop", False),
        ("*.resize", "shop.*.resize", True),
        ("a?c", "abc", True),
        ("a?c", "a*c", False),
        ("a*c*e", "abcde", True),
        ("a**", "a*", True),
        ("[ab]x", "ax", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_one_glob_covers_another_in_these_cases(general: str, special: str, expected: bool) -> None:
    assert covers(general, special) is expected


@settings(max_examples=300)
@given(PATTERNS, PATTERNS)
def test_a_name_in_both_is_matched_by_both_and_found_when_there_is_one(one: str, other: str) -> None:
    name = in_both(one, other)
    if name is not None:
        assert fnmatchcase(name, one)
        assert fnmatchcase(name, other)
    elif "[" not in one + other:  # a letter for two classes is only looked for among the likely ones
        assert not any(fnmatchcase(each, one) and fnmatchcase(each, other) for each in NAMES)


def test_the_name_in_both_reads_like_a_task() -> None:
    assert in_both("shop.*.resize", "shop.http.*") == "shop.http.resize"
    assert in_both("shop.images.*", "shop.http.*") is None
