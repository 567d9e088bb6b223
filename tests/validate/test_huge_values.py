"""Values that no machine can hold or no file system can have as a name: a finding, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.load import check
from fleet.config.source import from_bytes
from tests.validate.test_files import MACHINE
from tests.validate.test_values import text

DIGITS = "9" * 5000
HEX = "0x" + "f" * 5000


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("workers.http.max_tasks", DIGITS, "FLT001"),
        ("workers.http.max_tasks", f"[{DIGITS}]", "FLT001"),
        ("workers.http.max_tasks", f"-{DIGITS}", "FLT001"),
        ("workers.http.concurrency", HEX, "FLT001"),
        ("workers.http.max_retries", HEX, "FLT001"),
        ("workers.http.max_memory", str(2**63), "FLT001"),
        ("workers.http.env", f"{{ N = {HEX} }}", "FLT001"),
        ("machine.cpus", HEX, "FLT001"),
        ("workers.http.concurrency", f'"cpus-{DIGITS}"', "FLT004"),
        ("workers.http.concurrency", f'"cpus/{DIGITS}"', "FLT004"),
        ("workers.http.max_memory", f'"{DIGITS[:400]}GiB"', "FLT007"),
        ("workers.http.max_memory", f'"{DIGITS[:290]}TiB"', "FLT007"),
        ("broker.max_message_size", f'"{DIGITS}GiB"', "FLT007"),
        ("fleet.pythonpath", f'["{"y" * 300}"]', "FLT711"),
        ("fleet.pythonpath", f'["{"y" * 300}.zip"]', "FLT711"),
        ("fleet.pythonpath", '["~nobody-has-this-name/x"]', "FLT711"),
        ("fleet.env_file", '"~nobody-has-this-name/x"', "FLT708"),
    ],
    ids=lambda part: part[:40],
)
def test_a_value_that_nothing_can_hold_is_a_finding(key: str, value: str, code: str) -> None:
    table, _, name = key.rpartition(".")
    source = from_bytes(text(table, name, value).encode(), Path(__file__).with_name("fleet.toml"))
    found = check(source, environ={"HOME": "/home/shop"}, machine=MACHINE).diagnostics
    assert code in [each.code for each in found]


def test_the_place_of_a_number_is_where_it_stands_and_64_bits_are_well() -> None:
    path = Path(__file__).with_name("fleet.toml")
    (found,) = check(from_bytes(f'# {DIGITS}\na = "{DIGITS}"\nb = [1, {HEX}]'.encode(), path)).diagnostics
    assert (found.code, found.span.line, found.span.column) == ("FLT001", 3, 9)
    for number in (2**63 - 1, -(2**63), hex(2**63 - 1), f"+{2**63 - 1:_}"):
        source = from_bytes(text("workers.http", "env", f"{{ N = {number} }}").encode(), path)
        assert "FLT001" not in [each.code for each in check(source, machine=MACHINE).diagnostics]
