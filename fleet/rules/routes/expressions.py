"""Patterns that are no globs of task names: regular expressions, lists in one text, paths."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.config.toml import to_toml
from fleet.machine import Machine
from fleet.rules.finding import Change, Finding, KeyPath
from fleet.rules.registry import rule

# No task has such a name, so that as a glob it matches nothing.
_REGEX = re.compile(r"^\^|\$$|\\|[()|]|^\.[*+]|[\w.]\+")


@rule("FLT209", "route-is-a-regex", "warning", fix="unsafe", reads=("routes.task",))
def route_is_a_regex(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    r"""A pattern that is written as a regular expression.

    Routes take globs: `*` is any text, `?` one character, `[ab]` one of them; a list stands for "or". Celery's
    task_routes also takes regular expressions. Read as a glob such a pattern matches no task at all, since names of
    tasks have neither `^` nor `\\`, and its tasks go wherever the next rule sends them.

    Bad:

        [[routes]]
        task = '^shop\.(images|video)\..*$'
        queue = "images"

    Good:

        [[routes]]
        task = ["shop.images.*", "shop.video.*"]
        queue = "images"
    """
    for index, route in enumerate(fleet.routes):
        for position, pattern in enumerate(route.task):
            if not _REGEX.search(pattern):
                continue
            path: KeyPath = ("routes", index, "task", position)
            globs = _as_globs(pattern)
            shown = globs and (f'"{globs[0]}"' if len(globs) == 1 else to_toml(globs))
            mends = len(globs) == 1 or (bool(globs) and len(route.task) == 1)
            yield Finding(
                path if len(route.task) > 1 else path[:3],
                f'"{pattern}" is a regular expression; as a glob it matches no task',
                help=f"write {shown}"
                if shown
                else "* is any text, ? one character, a list of globs takes what any of them matches",
                steps=(Change(path if len(route.task) > 1 else path[:3], str(shown)),)
                if shown and mends
                else (),
            )


def _as_globs(pattern: str) -> list[str]:
    """What the expression says in globs; [] where they can't say it."""
    if re.search(r"\(\?[^:]", pattern):  # what stands before or behind, flags, names of groups
        return []
    plain = pattern.removeprefix("^").removesuffix("$").replace("\\.", "\0")
    choice = re.fullmatch(r"([^()]*)\((?:\?:)?([^()]*)\)([^()]*)", plain)
    pieces = [choice[1] + each + choice[3] for each in choice[2].split("|")] if choice else plain.split("|")
    globs = [re.sub(r"\.[*+]\??", "*", each).replace("\0", ".") for each in pieces]
    return [] if any(_REGEX.search(each) or not each for each in globs) else globs


@rule("FLT210", "route-matches-no-name", "warning", fix="unsafe", reads=("routes.task",))
def route_matches_no_name(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A pattern with commas, blanks, slashes or braces, which no task's name has.

    The name of a task is its module and its function, parted by dots: "shop.images.resize". A pattern with a comma is
    one name with a comma in it, not two, and one with a slash is a path: they match nothing, and the tasks go wherever
    the next rule sends them. If your tasks have such names, note it: `# fleet: ignore[FLT210] why`.

    Bad:

        [[routes]]
        task = "shop.images.*, shop.video.*"
        queue = "images"

    Good:

        [[routes]]
        task = ["shop.images.*", "shop.video.*"]
        queue = "images"
    """
    for index, route in enumerate(fleet.routes):
        for position, pattern in enumerate(route.task):
            if _REGEX.search(pattern) or not re.search(r"[,/\s:{}]", pattern.strip()):
                continue
            path: KeyPath = ("routes", index, "task", position)
            meant = _names(pattern)
            shown = to_toml(meant) if len(meant) > 1 else to_toml(meant[0]) if meant else None
            is_whole = len(route.task) == 1
            yield Finding(
                path if not is_whole else path[:3],
                f'"{pattern}" matches no task: names of tasks have dots, no {_characters(pattern)}',
                help=f"write {shown}" if shown else 'such as "shop.images.*"',
                steps=(Change(path[:3], shown),)
                if shown and is_whole
                else (Change(path, ", ".join(map(to_toml, meant))),)
                if meant
                else (),
            )


def _names(pattern: str) -> list[str]:
    """What was meant: several patterns in one text, a path, a module and its function; [] where that is not sure."""
    written = re.split(r"[,\s]+", re.sub(r"\s*\.\s*", ".", pattern))
    if re.search(r"[{}]", pattern):
        written = _without_braces(re.sub(r"\s+", "", pattern))
    parts = [re.sub(r"[/:]+", ".", re.sub(r"\.py\b", "", part)).strip(".") for part in written if part]
    # A rest such as ".*" would become a catch-all, which nobody has written.
    return parts if all(re.search(r"\w", part) for part in parts) else []


def _without_braces(pattern: str) -> list[str]:
    """As a shell reads "{a,b}", once; [] for another use of braces."""
    match = re.fullmatch(r"([^{},]*)\{([^{}]+)\}([^{},]*)", pattern)
    return (
        [match[1] + each + match[3] for each in match[2].split(",")]
        if match and all(match[2].split(","))
        else []
    )


def _characters(pattern: str) -> str:
    nouns = {"{": "braces", "}": "braces", ",": "commas", "/": "slashes", ":": "colons"}
    return " and ".join(dict.fromkeys(noun for mark, noun in nouns.items() if mark in pattern)) or "blanks"
