"""The examples in the explanations: what is called bad is found, what is called good is not."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import pytest
import tomli

from fleet.config.load import Loaded, check
from fleet.config.source import from_bytes
from fleet.config.toml import to_key, to_toml
from fleet.rules import catalogue
from tests.unit.rules.fixtures import FOLDER, a_machine

# Need more than a file: a shell, an environment without gevent, an app, a broker, a cgroup, a run.
ELSEWHERE = {
    "FLT001",
    "FLT206",
    "FLT308",
    "FLT319",
    "FLT320",
    "FLT323",
    "FLT407",
    "FLT606",
    "FLT704",
    "FLT705",
    "FLT715",
    "FLT716",
    "FLT717",
    "FLT718",
    "FLT719",
    "FLT810",
    "FLT808",  # ten of what its examples show
    "FLT905",
}
RABBIT_ONLY = {
    *(
        "FLT104",
        "FLT105",
        "FLT106",
        "FLT107",
        "FLT108",
        "FLT117",
        "FLT119",
        "FLT120",
        "FLT121",
        "FLT123",
        "FLT124",
        "FLT125",
    ),
    *("FLT506", "FLT508", "FLT510"),
}
COMPUTING = ("images", "reports", "video")
RULES = [code for code in catalogue() if code not in ELSEWHERE]


def examples(code: str, kind: str) -> list[str]:
    """The blocks under "Bad:" or "Good:"."""
    text = catalogue()[code].explanation
    return [
        dedent(block).strip("\n")
        for block in re.findall(rf"^{kind}\b[^\n]*:\n\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
    ]


def completed(fragment: str, code: str) -> str:
    """The fragment, with what a whole file needs beside it. TOML wants top-level keys first, tables later."""
    data: dict[str, Any] = tomli.loads(fragment)
    more: dict[str, Any] = {}
    if "fleet" not in data:
        more["fleet"] = {"app": "shop.tasks"}
    if "broker" not in data and code in RABBIT_ONLY:
        more["broker"] = {"url": "amqp://127.0.0.1//"}
    queues, groups = data.get("queues", {}), data.get("workers", {})
    wanted = [name for group in groups.values() for name in group.get("queues", ())]
    wanted += [rule["queue"] for rule in data.get("routes", ()) if code != "FLT201"]
    for name in dict.fromkeys(wanted):
        if name not in queues and code not in ("FLT101", "FLT009"):
            more.setdefault("queues", {})[name] = {"workload": "cpu" if name in COMPUTING else "io"}
    for name in [*queues, *more.get("queues", {})]:
        if name not in wanted and not groups and code != "FLT102":
            group = {"queues": [name], "pool": "solo"}
            more.setdefault("workers", {})[re.sub(r"\W", "-", f"of-{name}")] = group
    for name, group in groups.items():
        if "queues" not in group and code not in ("FLT005", "FLT009"):
            more.setdefault("workers", {})[name] = {"queues": list(queues) or ["?"]}
    return merged(data, more, fragment)


def merged(data: dict[str, Any], more: dict[str, Any], fragment: str) -> str:
    lines = [fragment]
    for table, content in more.items():
        entries = content.items() if table in ("queues", "workers") else [(None, content)]
        for name, settings in entries:
            if name is not None and name in data.get(table, {}):
                continue
            lines.append(f"[{table}.{to_key(name)}]" if name is not None else f"[{table}]")
            lines += [f"{to_key(key)} = {to_toml(value)}" for key, value in settings.items()]
    return "\n".join(lines) + "\n"


def found(fragment: str, code: str) -> set[str]:
    source = from_bytes(
        completed(fragment, code).encode(), FOLDER.parent.parent / "examples" / "quickstart" / "f"
    )
    loaded: Loaded = check(source, environ={}, machine=a_machine())
    return {each.code for each in loaded.diagnostics}


@pytest.mark.parametrize("code", RULES)
def test_what_is_called_bad_is_found(code: str) -> None:
    blocks = examples(code, "Bad")
    assert blocks
    assert all(code in found(block, code) for block in blocks)


@pytest.mark.parametrize("code", RULES)
def test_what_is_called_good_is_not(code: str) -> None:
    blocks = examples(code, "Good")
    assert blocks
    assert all(code not in found(block, code) for block in blocks)
