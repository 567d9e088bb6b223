"""Whole files: broken ones give exactly what is wrong with them, sane ones give nothing.

A file under expected/ ends with a line `#! LINE SEVERITY CODE` for each finding, in order. Those under sane/ are
what people run in production: a finding on one of them is noise, unless the file itself names it in such a line.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet.config.load import check
from fleet.config.source import from_bytes
from fleet.machine import Amount, Machine

HERE = Path(__file__).parent
FILES = sorted([*HERE.glob("expected/*.toml"), *HERE.glob("sane/*.toml")])
MARK = re.compile(r"^#! (\d+ \w+ FLT\d+)$", re.MULTILINE)
MODULES = frozenset({"gevent", "eventlet", "redis", "packaging"})
MACHINE = Machine(Amount(4), Amount(16 * 2**30), Amount(65536), visible_cpus=4, modules=MODULES)
ENVIRON = {"HOME": "/home/shop", "BROKER_URL": "amqps://shop@rabbit.example.com/shop"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_gives_its_findings_and_no_others(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    bare = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#! "))
    environ = ENVIRON if path.parent.name == "sane" else {}
    found = check(from_bytes(bare.encode(), path), environ=environ, machine=MACHINE).diagnostics
    assert [f"{each.span.line} {each.severity} {each.code}" for each in found] == MARK.findall(text)


def test_there_are_fifty_sane_files() -> None:
    assert len(list(HERE.glob("sane/*.toml"))) >= 50
