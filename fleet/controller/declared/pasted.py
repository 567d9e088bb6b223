"""Pasted drafts of fleet.toml, read as if one stood in the file's place.

Whoever pastes a draft need not be somebody who may edit the file, and sees what is made of it. So a draft has no
variable and names no file that the file itself does not have in the same key.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fleet.controller.declared.reading import problem
from fleet.fleet_state import FleetState

if TYPE_CHECKING:
    from fleet.config.parse import Parsed
    from fleet.diagnostics import Diagnostic

_Path = tuple[str | int, ...]
_HELP = "write a value in its place, or try the draft on the host: `fleet plan -f FILE`"


class Pasted(NamedTuple):
    """`accepted` is None when there are errors; `diagnostics` as in `fleet validate --format json`."""

    accepted: FleetState | None
    diagnostics: tuple[dict[str, Any], ...]


def read_pasted(text: str, file: Path, env: str | None) -> Pasted:
    """Check `text` in place of `file`, with what is too much for this machine as a warning."""
    from fleet.config.lean import without_plugins

    without_plugins()
    from fleet.config.load import Unreadable, as_it_runs, load_source
    from fleet.config.parse import parse
    from fleet.config.resolve_groups import fleet_state
    from fleet.config.source import from_bytes, read_source
    from fleet.diagnostics.jsonform import as_dict

    try:
        source = from_bytes(text.encode(errors="surrogatepass"), file)
        if foreign := tuple(_foreign(parse(source), parse(read_source(file)))):
            return Pasted(None, foreign)
        loaded = as_it_runs(load_source(source, env=env))
        found = tuple(map(as_dict, loaded.diagnostics))
        return Pasted(fleet_state(loaded.fleet) if loaded.fleet is not None else None, found)
    except Unreadable as error:
        return Pasted(None, (problem(str(error)),))
    except Exception as error:
        logging.getLogger("fleet.config").exception("a pasted draft could not be checked")
        return Pasted(None, (problem(f"this is a bug in fleet: {error!r}"),))


def _foreign(draft: Parsed | Diagnostic, file: Parsed | Diagnostic) -> Iterator[dict[str, Any]]:
    """Of a draft that is TOML; a file that is none allows nothing."""
    from fleet.config.parse import Parsed

    if not isinstance(draft, Parsed):
        return
    mine = _texts(file.document.data) if isinstance(file, Parsed) else ()
    allowed = {(_key(path), text) for path, text in mine}
    for path, text in _texts(draft.document.data):
        if (key := _key(path)) and _takes(key, text) and (key, text) not in allowed:
            what = "a variable" if "$" in text else "a file"
            said = problem(f"{key}: a draft can't take {what} that fleet.toml does not take in this key", key)
            yield {**said, "line": _line(draft, path), "help": _HELP}


def _line(draft: Parsed, path: _Path) -> int | None:
    while path and (place := draft.spans.places.get(path)) is None:
        path = path[:-1]
    return place.span.line if path and place is not None and place.span is not None else None


def _takes(key: str, text: str) -> bool:
    return "$" in text or key.endswith("_file")


def _texts(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(item, (*path, key))


def _key(path: _Path) -> str:
    """Which of several tables, or entries of a list, does not matter."""
    return ".".join(part for part in path if isinstance(part, str))
