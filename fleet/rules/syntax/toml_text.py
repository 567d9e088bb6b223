"""The text as a whole: is it TOML?"""

from __future__ import annotations

from fleet.rules.finding import Finding, KeyPath, Part, Step
from fleet.rules.registry import found_by_loader
from fleet.rules.syntax.habits import in_words, what_to_do


@found_by_loader("FLT001", "invalid-toml", "error")
def invalid_toml(reason: str, line: str, column: int) -> Finding:
    """The file is not TOML.

    Nothing else can be checked before the text parses. The message is the parser's, with the place where
    it gave up; the mistake may be a little before it (an open quote, a missing bracket).

    Bad:

        [workers.http
        pool = "gevent"

    Good:

        [workers.http]
        pool = "gevent"
    """
    from fleet.diagnostics.masking import mask

    shown = mask(line)  # the advice quotes it
    advice = what_to_do(reason, shown.text, shown.column(column - 1) + 1)
    return Finding((), f"invalid TOML: {in_words(reason)}", help=advice)


@found_by_loader("FLT002", "newer-toml", "error", fix="safe")
def newer_toml(
    path: KeyPath,
    what: str,
    advice: str | None,
    steps: tuple[Step, ...],
    *,
    part: Part = "whole",
    within: str | None = None,
) -> Finding:
    r"""Syntax of TOML 1.1, which most other tools reject.

    fleet's parser reads it, but editors, formatters, hooks and other languages mostly know TOML 1.0: inline
    tables on one line and without a comma behind the last key, no escapes `\e` and `\xHH`, times with
    seconds. A file that only one tool can read is a trap; each of these has an equal in 1.0.

    Bad:

        [workers.http]
        env = {
          LANG = "C",
        }

    Good:

        [workers.http.env]
        LANG = "C"

    Source: the TOML project's changelog, 1.1.0.
    """
    message = f"{what}: TOML 1.1, which most tools that read this file reject"
    return Finding(path, message, help=advice, part=part, within=within, steps=steps, safe=True)
