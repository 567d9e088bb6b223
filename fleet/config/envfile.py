"""Files of KEY=VALUE lines as python-dotenv reads them: quotes, comments, `export`, values over several lines.

Nothing is expanded: `$` is a character like any other.
"""

from __future__ import annotations

from io import StringIO


class EnvFileError(ValueError):
    """What is wrong, beginning with the line: `line 3: …`. Never shows a value."""


def parse_env_file(text: str) -> dict[str, str]:
    """The last of two equal keys wins. Raises EnvFileError for a line that is no assignment, and for a zero byte."""
    from dotenv.parser import parse_stream  # not every file names an env_file

    values = {}
    for binding in parse_stream(StringIO(text.removeprefix("\ufeff"))):
        line = binding.original.line + _blank_lines(binding.original.string)
        if binding.error:
            raise EnvFileError(f"line {line}: expected KEY=VALUE, with quotes that are closed")
        if binding.key is None:
            continue  # a comment, or the blank end
        if binding.value is None:
            raise EnvFileError(f'line {line}: no "=" after {binding.key!r}: expected KEY=VALUE')
        if "\0" in binding.key + binding.value:
            raise EnvFileError(
                f"line {line}: {binding.key!r} has a zero byte, which no environment variable can hold"
            )
        values[binding.key] = binding.value
    return values


def _blank_lines(original: str) -> int:
    """How many lines the parser has passed over before the one with the key."""
    return original[: len(original) - len(original.lstrip())].count("\n")
