from __future__ import annotations

import pytest

from fleet.token_lines import fault, read_line

SECRET = "abcdefghijklmnopqrstuv"


@pytest.mark.parametrize("role", ["viewer", "operator", "metrics"])
def test_a_line_is_name_role_and_secret(role: str) -> None:
    assert read_line(f"  ann@example.com  {role}\t{SECRET}\n") == ("ann@example.com", role, SECRET)
    assert fault(f"ann {role} {SECRET}") is None


@pytest.mark.parametrize("line", ["", "   ", "# ann operator", f"#ann operator {SECRET}"])
def test_a_comment_is_no_token_and_no_fault(line: str) -> None:
    assert fault(line) is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (SECRET, "has 1 word"),
        (f"ann {SECRET}", "has 2 words"),
        (f"ann operator {SECRET} more", "has 4 words"),
        (f"ann,bob operator {SECRET}", "has a name of other characters than letters, digits, _ . @ and -"),
        (f"ann admin {SECRET}", "has another role"),
        ("ann operator hunter2", "has a secret of fewer than 16 characters"),
    ],
)
def test_a_fault_is_told_without_a_word_of_the_line(line: str, why: str) -> None:
    assert read_line(line) is None
    assert fault(line) == why


def test_a_comment_with_three_words_is_no_token() -> None:
    assert read_line("# viewer abcdefghijklmnopqrstuv") is None
    assert read_line("#x viewer abcdefghijklmnopqrstuv") is None
