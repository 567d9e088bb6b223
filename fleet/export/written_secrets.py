"""Secrets that stand in fleet.toml itself: what is made of the file is read by many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import tomli

from fleet.broker_url.masking import has_password
from fleet.broker_url.parts import family, split
from fleet.diagnostics.masking import has_header, mask_lines
from fleet.export.problem import Problem
from fleet.rules.finding import KeyPath
from fleet.secret_names import is_secret_in_place_of_path, is_secret_name

_DEFAULT = re.compile(r"\$\{(\w+):-([^}]+)\}")
_PLAIN = re.compile(r"(?i)true|false|yes|no|on|off|[\d.]*")


def secrets_in(text: str) -> Iterator[Problem]:
    """Wherever in the file, the parts of other environments included: it is copied as a whole."""
    for path, value in _texts((), tomli.loads(text)):
        name = str([part for part in path if isinstance(part, str)][-1])
        variable = next(_secret_defaults(name, value), None)
        if path == ("broker", "url") and (has_password(value) or _word_before_host(value)):
            yield Problem(
                path,
                "the password in this URL would go into files that many can read",
                'url = "${BROKER_URL}", or url_file = "/run/secrets/broker_url"',
            )
        elif variable:
            yield Problem(
                path,
                f"the default of {variable} would go into files that many can read",
                f"${{{variable}}} without a default: the engine's secret provides it",
            )
        elif is_secret(name, value):
            reference = "${" + re.sub(r"\W", "_", name).upper() + "}"
            yield Problem(
                path,
                f"the value of {name} would go into files that many can read",
                f'{name} = "{reference}", which the engine\'s secret provides',
            )


def without_secret_comments(text: str) -> str:
    """The file with what a comment says of a password masked: what changes no value is a comment."""
    lines, meant = text.split("\n"), tomli.loads(text)
    for number, shown in enumerate(mask_lines(lines)):
        if shown.cuts and "#" in lines[number]:
            changed = "\n".join([*lines[:number], shown.text, *lines[number + 1 :]])
            if _same(changed, meant):
                lines[number] = shown.text
    return "\n".join(lines)


def _same(text: str, meant: dict[str, Any]) -> bool:
    try:
        return tomli.loads(text) == meant
    except tomli.TOMLDecodeError:
        return False


def is_secret(name: str, value: str) -> bool:
    """Whether it is written out. A switch or a number is none, whatever its name."""
    if "://" in value and has_password(value):
        return True
    if has_header(value) or is_secret_in_place_of_path(name, value):
        return True
    return is_secret_name(name) and "${" not in value and not _PLAIN.fullmatch(value)


def without_secret_defaults(text: str) -> tuple[str, dict[str, KeyPath]]:
    """The file with `${TOKEN:-dev}` as `${TOKEN}`, and of which variables that is so, with where each stands first.

    A default is for where nobody gives the variable, a laptop; an engine has the value in its secret. Without that, a
    worker says so at its start, which is better than to run with a default.
    """
    left_out: dict[str, KeyPath] = {}
    for path, value in _texts((), tomli.loads(text)):
        name = str([part for part in path if isinstance(part, str)][-1])
        for variable in _secret_defaults(name, value):
            left_out.setdefault(variable, path)
    changed = _DEFAULT.sub(lambda found: f"${{{found[1]}}}" if found[1] in left_out else found[0], text)
    return (changed, left_out) if left_out and _is_text(changed) else (text, {})


def of_left_out(variable: str, path: KeyPath) -> Problem:
    """What is to be said of it."""
    return Problem(
        path,
        f"the default of {variable} is not copied: it may be a secret",
        f"the engine's secret has to have {variable}; without it a worker says so at its start",
        "info",
    )


def _word_before_host(url: str) -> bool:
    """Redis knows no user without a password: who writes only one word has mostly written the password."""
    parts = split(url)
    word = parts.credentials or ""
    return (
        family(url) == "redis" and bool(word) and ":" not in word and "${" not in word and word != "default"
    )


def _is_text(text: str) -> bool:
    try:
        tomli.loads(text)
    except tomli.TOMLDecodeError:
        return False
    return True


def _secret_defaults(name: str, value: str) -> Iterator[str]:
    """The variables in `value` whose defaults are secrets."""
    for variable, default in _DEFAULT.findall(value):
        if is_secret(variable, default) or is_secret(name, default):
            yield str(variable)


def _texts(path: KeyPath, node: Any) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict | list):
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _texts((*path, key), item)
