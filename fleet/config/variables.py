"""`${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `$$` in every string of the document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fleet.config.document import Document
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.syntax import unset_variable
from fleet.rules.words import dotted

_REFERENCE = re.compile(
    r"\$(?:\$|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<how>[-?])(?P<rest>[^}]*))?\}|(?P<open>\{[^}]*\}?))"
)

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def expand(document: Document, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Replace in place; yields a finding per variable that is not set. For `:-` and `:?` empty means unset.

    [env.*] is left alone: what counts of it has been merged over the rest.
    """
    for path, text in list(_strings((), document.data)):
        if "$" not in text or path[0] == "env":
            continue
        problems: list[Finding] = []
        expanded = _REFERENCE.sub(_replacer(path, dotted(document.origin(path)), environ, problems), text)
        yield from problems
        if problems and path == ("broker", "url") and (guess := _with_stand_ins(expanded)) is not None:
            expanded = guess
            document.guessed.add(path)
        elif problems:
            document.poisoned.add(path)
        if expanded != text:
            document.put(path, expanded)
            document.written[path] = text


def _with_stand_ins(url: str) -> str | None:
    """The broker's URL with a word for each variable that is not set, where that changes nothing that checks judge it
    by; None if scheme or host are among them.
    """
    known = _REFERENCE.sub(_UNKNOWN, url)
    for each in known.split(";"):
        scheme, mark, rest = each.partition("://")
        credentials, _, address = rest.rpartition("@")
        if not mark or _UNKNOWN in scheme + re.split(r"[:/?#]", address, maxsplit=1)[0]:
            return None
        if credentials == _UNKNOWN:  # "user:password", as likely as not
            known = known.replace(f"{_UNKNOWN}@", f"{_UNKNOWN}:{_UNKNOWN}@")
    return known.replace(_UNKNOWN, "1")  # a word that is also a port, and a database


def _replacer(
    path: KeyPath, where: str, environ: Mapping[str, str], problems: list[Finding]
) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        name, how, rest = match["name"], match["how"], match["rest"]
        if match.group() == "$$":
            return "$"
        value = environ.get(name) if name else None
        if rest and "${" in rest:  # it ends with the first }, whether the variable is set or not
            problems.append(unset_variable(path, where, match.group(), name, None))
            return match.group()
        if value or (value is not None and how is None):
            return value
        if how == "-":
            return str(rest)
        problems.append(unset_variable(path, where, match.group(), name, rest if how == "?" else None))
        return match.group()

    return replace


def _strings(path: KeyPath, node: Any) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict | list):
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _strings((*path, key), item)
