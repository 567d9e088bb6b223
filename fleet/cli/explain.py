"""`fleet explain CODE`: what a check means, why, how to put it right; made from the rule's docstring."""

from __future__ import annotations

import sys
import textwrap
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.file.loading import terminal_width
from fleet.cli.options import Failure, coloured, json_option

if TYPE_CHECKING:
    from fleet.rules.registry import Rule

_FIXES = {"safe": "; --fix mends it", "unsafe": "; --fix --unsafe mends it", None: ""}
_MOST_NAMES = 5
_MARKS = {"safe": "  (--fix)", "unsafe": "  (--fix --unsafe)", None: ""}


@click.command(short_help="Explain a check of `fleet validate`, by its code or name.")
@click.argument("code", required=False)
@json_option
def command(*, code: str | None, as_json: bool) -> int:
    """Explain a check of `fleet validate`, by its code or name; without one, list them all."""
    from fleet.rules import catalogue

    rules = catalogue()
    chosen = list(rules.values()) if code is None else [_find(code, rules)]
    if as_json:
        click.echo(_json(chosen))
    elif code is None:
        click.echo("\n".join(map(_line, chosen)))
    else:
        click.echo(_page(chosen[0], coloured(sys.stdout)))
    return Exit.OK


def _find(code: str, rules: dict[str, Rule]) -> Rule:
    names = {rule.name: rule.code for rule in rules.values()}
    wanted = code.strip("[]").upper()
    wanted = f"FLT{wanted}" if wanted.isdigit() else names.get(code.lower(), wanted)
    if wanted in rules:
        return rules[wanted]
    near = get_close_matches(wanted, rules, n=3) + get_close_matches(code.lower(), names, n=1)
    about = [name for name in names if code.lower() in name.split("-")][:_MOST_NAMES]
    near = list(dict.fromkeys([*about, *near]))
    hint = f"; did you mean {' or '.join(near)}?" if near else ":"
    raise Failure(f"there is no check {code}{hint} `fleet explain` lists them all", Exit.USAGE)


def _page(rule: Rule, colour: bool) -> str:
    head = f"{rule.code} {rule.name} ({rule.severity}{_FIXES[rule.fix]})"
    paragraphs = textwrap.dedent(rule.explanation).split("\n\n")
    return "\n\n".join([click.style(head, bold=True) if colour else head, *map(_fitted, paragraphs)])


def _line(rule: Rule) -> str:
    return f"{rule.code}  {rule.severity:7}  {rule.name}{_MARKS[rule.fix]}"


def _fitted(paragraph: str) -> str:
    """Text as wide as the terminal; examples and lists as they are."""
    lines = paragraph.splitlines()
    if any(line.startswith((" ", "-", "|")) for line in lines):
        return paragraph
    return textwrap.fill(" ".join(lines), terminal_width(), break_on_hyphens=False, break_long_words=False)


def _json(rules: list[Rule]) -> str:
    import json

    keys = ("code", "name", "severity", "fix", "subject", "explanation")
    entries = [{key: getattr(rule, key) for key in keys} for rule in rules]
    return json.dumps(entries if len(entries) != 1 else entries[0], indent=2, ensure_ascii=False)
