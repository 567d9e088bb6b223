"""The routing of a correct file, for `send` and `route`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fleet.cli.exits import Exit
from fleet.cli.file.loading import load_loaded, show
from fleet.cli.options import Failure

if TYPE_CHECKING:
    from fleet.tasks.routing import Routing


def load_routing(file: Path | None, env: str | None) -> Routing:
    """Ends with Exit.BAD_CONFIG when the file has errors, Exit.USAGE when it can't be read."""
    loaded = load_loaded(file, env)  # before the imports: it makes them quick
    from fleet.config.load import Unreadable
    from fleet.config.resolve import routing
    from fleet.tasks.routing import from_spec

    if loaded.fleet is None:
        show(loaded)
        raise Failure(f"{loaded.source.path} has errors: `fleet validate` shows them again", Exit.BAD_CONFIG)
    try:
        return from_spec(routing(loaded.fleet), loaded.source.path)
    except Unreadable as error:
        raise Failure(str(error), Exit.USAGE) from error


def line_of_rule(file: Path, index: int, env: str | None) -> int | None:
    """Where the pattern of [[routes]] number `index` (from 0) stands in `file`."""
    from fleet.config.load import read_source
    from fleet.config.spans import scan

    places = scan(read_source(file).text).places
    of_env = ("env", env, "routes")
    path = of_env if of_env in places else ("routes",)
    place = places.get((*path, index, "task"))
    return place.span.line if place and place.span else None
