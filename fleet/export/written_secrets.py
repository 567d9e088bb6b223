"""Secrets that stand in fleet.toml itself: what is made of the file is read by many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import tomli

from fleet.broker_url.masking import has_password
from fleet.diagnostics.masking import is_secret_name, mask_lines
from fleet.export.problem import Problem
from fleet.rules.finding import KeyPath

_DEFAULT = re.compile(r"\$\{(\w+):-([^}]+)\}")
_PLAIN = re.compile(r"(?i)true|false|yes|no|on|off|[\d.]*")


def secrets_in(text: str) -> Iterator[Problem]:
    """Wherever in the file, the parts of other environments included: it is copied as a whole."""
    for path, value in _texts((), tomli.loads(text)):
        name = str([part for part in path if isinstance(part, str)][-1])
        variable = _secret_default(name, value)
        if path == ("broker", "url") and has_password(value):
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
    return is_secret_name(name) and "${" not in value and not _PLAIN.fullmatch(value)


def _secret_default(name: str, value: str) -> str | None:
    """The variable in `value` whose default is a secret."""
    for variable, default in _DEFAULT.findall(value):
        if is_secret(variable, default) or is_secret(name, default):
            return str(variable)
    return None


def _texts(path: KeyPath, node: Any) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict | list):
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _texts((*path, key), item)
