"""The file for the verbs that need a correct one: its Fleet, or its diagnostics on stderr and the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, coloured, columns

if TYPE_CHECKING:
    from fleet.config.load import Loaded
    from fleet.config.model import Fleet


def load_fleet(file: Path | None, env: str | None, *, exit_code: int = Exit.FINDINGS) -> Fleet:
    """Ends with `exit_code` when the file has errors, with Exit.USAGE when it can't be read."""
    loaded = load_loaded(file, env)
    if loaded.fleet is None:
        show(loaded)
        raise Failure(f"{loaded.source.path} has errors: `fleet validate` shows them again", exit_code)
    return loaded.fleet


def load_loaded(file: Path | None, env: str | None) -> Loaded:
    """The file with its diagnostics, right or wrong. Ends with Exit.USAGE when it can't be read."""
    from fleet.config.lean import without_plugins

    without_plugins()
    from fleet.config.load import Unreadable, find_file, load_to_run

    try:
        return load_to_run(find_file(file), env=env)
    except Unreadable as error:
        raise Failure(str(error), Exit.USAGE) from error


def show(loaded: Loaded) -> None:
    """The diagnostics as text on stderr."""
    import click

    click.echo(as_text(loaded, sys.stderr), nl=False, err=True)


def as_text(loaded: Loaded, stream: IO[str] | None) -> str:
    """The diagnostics as they look best on `stream` (None: in a file); "" when there are none."""
    if not loaded.diagnostics:
        return ""
    from fleet.diagnostics.text import Style, render

    style = Style(width=terminal_width(), colour=coloured(stream)) if stream else Style()
    return render(loaded.diagnostics, loaded.source.text, loaded.source.name, style)


def terminal_width() -> int:
    """Columns to use; very long lines are hard to read, so not all of a wide terminal."""
    return max(60, min(columns(80), 110))
