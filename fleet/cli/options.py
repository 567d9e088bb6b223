"""The options that all verbs share, -f, --env and --json, and how a verb fails.

How to write a verb, in fleet/cli/VERB.py:

    @click.command()
    @file_option            # file: Path | None
    @env_option             # env: str | None
    @json_option            # as_json: bool
    def command(file, env, as_json) -> int:
        \"\"\"One line for `fleet --help`, then the rest.\"\"\"
        from fleet.cli.file.loading import load_fleet      # imports inside: the module itself may load click only
        fleet = load_fleet(file, env, exit_code=Exit.BAD_CONFIG)
        ...
        return Exit.OK

- The function's result is the exit code (None is 0); codes have names in fleet.cli.exits.
- A user's mistake is `raise Failure("what, where, what to do", Exit.USAGE)`: one line on stderr.
  Any other exception counts as a bug of fleet's: traceback, a request to report it, exit 3.
- What a script reads goes to stdout (`click.echo`), everything else to stderr (`click.echo(..., err=True)`).
- Colours by `click.style`, only if `coloured(stream)`: never without a terminal, never with NO_COLOR.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from fleet.cli.exits import Exit
from fleet.visible import visible_lines

Function = TypeVar("Function", bound=Callable[..., Any])


_UNBROKEN = 100_000


class Failure(click.ClickException):
    """A mistake that the user can mend; the text says what is wrong, where, and what to do."""

    def __init__(self, message: str, exit_code: int = Exit.FINDINGS) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares a constant per class

    def show(self, file: IO[Any] | None = None) -> None:
        stream = file or sys.stderr
        label = click.style("Error", fg="red", bold=True) if coloured(stream) else "Error"
        echo_folded(f"{label}: {visible_lines(self.message)}", stream)


def echo_folded(text: str, stream: IO[Any]) -> None:
    """Print it; on a terminal no word is broken at its edge."""
    if stream.isatty():
        from fleet.cli.wrap import fold

        text = "\n".join(fold(text.splitlines(), columns(80)))
    click.echo(text, file=stream)


def reason_of(error: Exception) -> str:
    """What it says, without the number that only programmers know."""
    return getattr(error, "strerror", None) or str(error)


def show_usage_error(problem: click.ClickException) -> None:
    """What click says of a mistyped command line, for a terminal of any width."""
    said = StringIO()
    problem.show(said)
    echo_folded(said.getvalue().rstrip("\n"), sys.stderr)


def file_option(function: Function) -> Function:
    """-f/--file as `file`, a Path or None; fleet.config.find_file knows the default."""
    return click.option(
        "-f",
        "--file",
        type=click.Path(path_type=Path),
        help="The fleet.toml to use [default: $FLEET_FILE, else fleet.toml here or in a parent folder].",
    )(function)


def env_option(function: Function) -> Function:
    """--env as `env`: the name of an [env.NAME], or None."""
    return click.option("--env", metavar="NAME", help="Merge [env.NAME] over the rest of the file.")(function)


def json_option(function: Function) -> Function:
    """--json as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(function)


class AtLeast(click.types.IntParamType):
    """A whole number from `least` on."""

    name = "number"

    def __init__(self, least: int) -> None:
        self.least = least

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is no whole number: give {self.least} or more", param, ctx)
        if number < self.least:
            self.fail(f"{number} is too small: give {self.least} or more", param, ctx)
        return number


def columns(otherwise: int) -> int:
    """Of the terminal, or as $COLUMNS says. As shutil has it, which loads all that packs archives."""
    with suppress(KeyError, ValueError):
        if (stated := int(os.environ["COLUMNS"])) > 0:
            return stated
    with suppress(OSError):
        return os.get_terminal_size().columns or otherwise
    return otherwise


def terminal_width() -> int:
    """Columns of stdout; what goes into a pipe is looked through line by line, and not broken."""
    return columns(100) if sys.stdout.isatty() else _UNBROKEN


def coloured(stream: IO[Any]) -> bool:
    """Whether colours may go to `stream`."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
