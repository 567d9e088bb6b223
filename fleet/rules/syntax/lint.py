"""[lint]: codes that do nothing there."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.did_you_mean import nearest
from fleet.rules.finding import Change, Drop, Finding, KeyPath, Mark, Rename
from fleet.rules.registry import catalogue, rule


@rule("FLT012", "unknown-code", "warning", fix="unsafe", singly=True, reads=("lint.ignore", "lint.severity"))
def unknown_code(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A code in [lint] that does nothing there.

    Mostly two digits have changed places, and what was to be left out is still reported; or what was to fail does
    not. Mistakes that leave no fleet to run (those of syntax, and an undeclared queue) can't be left out or called
    less than errors. Of a code that is left out the severity never shows.

    Bad:

        [lint]
        ignore = ["FLT999"]

    Good:

        [lint]
        ignore = ["FLT303"]
    """
    for index, code in enumerate(fleet.lint.ignore):
        path: KeyPath = ("lint", "ignore", index)
        if code not in catalogue():
            guess = _guess(code)
            step = Change(path, f'"{guess}"') if guess else Drop(path)
            yield Finding(path, *_words(code, guess), steps=(step,))
        elif catalogue()[code].always_counts:
            text = f"{code} can't be ignored: with that mistake there is no fleet to run"
            yield Finding(path, text, help="remove it here, and mend what it finds", steps=(Drop(path),))
    for code in fleet.lint.severity:
        yield from _of_severity(fleet, code)


def _of_severity(fleet: Fleet, code: str) -> Iterator[Finding]:
    path: KeyPath = ("lint", "severity", code)
    if code not in catalogue():
        guess = _guess(code)
        steps = (Rename(path, guess),) if guess and guess not in fleet.lint.severity else ()
        yield Finding(path, *_words(code, guess), part="key", steps=steps)
    elif catalogue()[code].always_counts:
        text = f"the severity of {code} can't be changed: with that mistake there is no fleet to run"
        yield Finding(
            path, text, part="key", help="remove it here, and mend what it finds", steps=(Drop(path),)
        )
    elif code in fleet.lint.ignore:
        here = Mark(("lint", "ignore", fleet.lint.ignore.index(code)), "left out here")
        yield Finding(
            path,
            f"the severity of {code} never shows: `ignore` leaves it out",
            part="key",
            related=(here,),
            help=f"remove {code} from `severity`, or from `ignore` if it is to be reported",
        )


def _words(code: str, guess: str | None) -> tuple[str, None, str]:
    help_ = f"did you mean {guess}?" if guess else "`fleet explain` lists them"
    return f'there is no check "{code[:40]}"', None, help_


def _guess(code: str) -> str | None:
    """By its letters: "flt303", "F303"; or the one check of that name."""
    plain = code.strip().upper()
    if plain in catalogue():
        return plain
    named = {rule.name: rule.code for rule in catalogue().values()}
    if code in named:
        return named[code]
    near = nearest(code, named, cutoff=0.8)
    return named[near] if near else None
