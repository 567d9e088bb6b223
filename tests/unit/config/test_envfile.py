"""env_file: the values that docker compose and python-dotenv read from the same text, or the line that is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.envfile import EnvFileError, parse_env_file


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# nothing\n\n", {}),
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("export A=1\n", {"A": "1"}),
        ("  A = 1  \n", {"A": "1"}),
        ("\ufeffA=1\n", {"A": "1"}),
        ('A="two words" # what it is\n', {"A": "two words"}),
        ("A='p#ss'  # of the mail server\n", {"A": "p#ss"}),
        ("A=p#ss # of the mail server\n", {"A": "p#ss"}),
        ("A=  # fill me in\n", {"A": ""}),
        ("A=\n", {"A": ""}),
        ('A=""\n', {"A": ""}),
        (
            'KEY="-----BEGIN-----\nabc=\n-----END-----"\nB=2\n',
            {"KEY": "-----BEGIN-----\nabc=\n-----END-----", "B": "2"},
        ),
        ('A="line\\nbreak"\n', {"A": "line\nbreak"}),
        ("A='line\\nbreak'\n", {"A": "line\\nbreak"}),
        ("A=${HOME} $B\n", {"A": "${HOME} $B"}),
        ("A=one\u2028two\n", {"A": "one\u2028two"}),
        ('A="one\u2028two\x85three"\n', {"A": "one\u2028two\x85three"}),
        ("A=x=y\n", {"A": "x=y"}),
        ("A=über\n", {"A": "über"}),
    ],
)
def test_a_value_is_read_as_people_write_it(text: str, values: dict[str, str]) -> None:
    assert parse_env_file(text) == values


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("A=1\nnonsense here\n", 2, "expected KEY=VALUE"),
        ("A=1\n\n\nBARE\n", 4, '"=" after'),
        ('A=1\n# x\nB="never closed\nC=3\n', 3, "quotes that are closed"),
        ("A='x' y\n", 1, "expected KEY=VALUE"),
        ("A=1\nB=a\0b\n", 2, "zero byte"),
        ("=1\n", 1, "expected KEY=VALUE"),
    ],
)
def test_a_wrong_line_is_named_and_its_value_not_shown(text: str, line: int, what: str) -> None:
    with pytest.raises(EnvFileError, match=what) as caught:
        parse_env_file(text)
    assert str(caught.value).startswith(f"line {line}: ")
    assert "never closed" not in str(caught.value)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    )
)
def test_any_value_comes_through_in_single_quotes(values: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    text = "".join(f"{key}={quoted(value)}\n" for key, value in values.items())
    assert parse_env_file(text) == values
