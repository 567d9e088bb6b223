"""The files under tests/rules: what they are checked against, and what they must give.

A bad.toml ends with its findings, one `#! CODE severity LINE:COLUMN-LINE:COLUMN message` each, in order.
After a wanted change of the messages, `python -m tests.unit.rules.fixtures` writes them anew: read the diff.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fleet.broker.survey import Objection
from fleet.config.load import Loaded, check
from fleet.config.model import Fleet
from fleet.config.source import from_bytes
from fleet.machine import Amount, Machine
from fleet.rules.app import AppFailure, AppTask, app_not_importable, routes_do_not_fit_app
from fleet.rules.connect import broker_would_refuse
from fleet.rules.finding import Finding

FOLDER = Path(__file__).parents[2] / "rules"
CODES = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())
EXPECTATION = "#! FLT"


def a_machine(*, modules: frozenset[str] = frozenset({"gevent", "eventlet", "redis"})) -> Machine:
    """8 CPUs, 16 GiB."""
    return Machine(Amount(8), Amount(16 * 2**30), Amount(65536), visible_cpus=8, modules=modules)


def examine(path: Path) -> Loaded:
    text = path.read_text(encoding="utf-8")
    for mode, name in re.findall(r"^#! mode: (\d+) (\S+)$", text, re.MULTILINE):
        (path.parent / name).chmod(int(mode, 8))  # git keeps no modes
    return examine_text(text, path)


def examine_text(text: str, path: Path) -> Loaded:
    machine = a_machine()
    if "#! machine: no gevent" in text:
        machine = a_machine(modules=frozenset({"eventlet"}))
    if quota := re.search(r"^#! machine: quota (\d+) of (\d+)$", text, re.MULTILINE):
        machine = machine._replace(
            cpus=Amount(int(quota[1]), f"cgroup quota {quota[1]}"), visible_cpus=int(quota[2])
        )
    source = from_bytes(body(text).encode(), path)
    return check(source, environ={"HOME": "/home/shop"}, machine=machine, ask=partial(ask, text))


def ask(text: str, fleet: Fleet) -> Iterator[Finding]:
    """What lines of the file say that the app and the broker answered: `#! task NAME [QUEUE]`,

    `#! app fails: REASON`, `#! broker refuses QUEUE ARGUMENT: WHY`, `#! broker fails: WHY`.
    """
    tasks = re.findall(r"^#! task (\S+) ?(\S*)$", text, re.MULTILINE)
    if tasks:
        yield from routes_do_not_fit_app(
            fleet, [AppTask(name, own or None, "shop.py:7") for name, own in tasks]
        )
    for reason in re.findall(r"^#! app fails: (.+)$", text, re.MULTILINE):
        yield from app_not_importable(
            fleet, AppFailure(0, fleet.project.app[0], reason, "shop.py:7", ("hello",))
        )
    for queue, argument, why in re.findall(r"^#! broker refuses (\S+) (\S+): (.+)$", text, re.MULTILINE):
        yield from broker_would_refuse(fleet, Objection(why, queue=queue, argument=argument))
    for why in re.findall(r"^#! broker fails: (.+)$", text, re.MULTILINE):
        yield from broker_would_refuse(fleet, Objection(why))


def expected(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(EXPECTATION)]


def found(path: Path) -> list[str]:
    """In the words of the expectation lines."""
    return [
        f"#! {each.code} {each.severity} {each.span.line}:{each.span.column}"
        f"-{each.span.end_line}:{each.span.end_column} {each.message}"
        for each in examine(path).diagnostics
    ]


def body(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(EXPECTATION))


def _write_anew() -> None:
    for code in CODES:
        path = FOLDER / code / "bad.toml"
        text = body(path.read_text(encoding="utf-8")).rstrip("\n")
        path.write_text("\n".join([text, "", *found(path), ""]), encoding="utf-8")


if __name__ == "__main__":
    _write_anew()
