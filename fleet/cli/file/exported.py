"""fleet.toml as another engine sees it, and what is to be said about that with its lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.cli.exits import Exit
from fleet.cli.file.placeholders import variables_or_placeholders
from fleet.cli.options import Failure

if TYPE_CHECKING:
    from fleet.config.load import Loaded
    from fleet.config.model import Fleet
    from fleet.export.facts import Facts, Options
    from fleet.rules.finding import Finding


def examined(
    file: Path | None, options: Options, judge: Callable[[Fleet, Facts], Iterable[Finding]]
) -> tuple[Loaded, bool]:
    """The file with what `judge` finds, and whether it was right enough to be judged. Raises Failure."""
    from fleet.config.lean import without_plugins

    without_plugins()
    from fleet.config.load import Unreadable, circumstances, find_file, load_under, read_source
    from fleet.export.facts import gather

    asked = []

    def ask(fleet: Fleet) -> Iterator[Finding]:
        asked.append(fleet)
        yield from judge(fleet, gather(fleet, source.text, options))

    try:
        source = read_source(find_file(file))
        environ = variables_or_placeholders(source.text)
        return load_under(source, options.env, circumstances(environ, rules=False, ask=ask)), bool(asked)
    except Unreadable as error:
        raise Failure(str(error), Exit.USAGE) from error
