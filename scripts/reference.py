"""Write docs/reference/ from the code: the commands, the keys of fleet.toml, and the checks.

`python scripts/reference.py` writes; with --check it only says what has drifted, and exits 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from fleet.cli import COMMANDS, root
from fleet.config import model
from fleet.config.key_docs import descriptions
from fleet.config.table import Field, Table
from fleet.controller.declared.effects import EFFECTS, EXPLAINED
from fleet.controller.metrics.metric_names import METRICS
from fleet.histogram import BOUNDS
from fleet.rules.registry import Rule, catalogue

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"

TABLES: dict[str, type[Table]] = {
    "[fleet]": model.Project,
    "[broker]": model.Broker,
    "[machine]": model.MachineTable,
    "[queues.NAME]": model.Queue,
    "[[routes]]": model.Route,
    "[[schedules]]": model.Schedule,
    "[workers.NAME]": model.WorkerGroup,
    "replicas = { … }": model.Autoscale,
    "[rollout]": model.Rollout,
    "[dashboard]": model.Dashboard,
    "[history]": model.HistorySettings,
    "[alerts]": model.Alerts,
    "[lint]": model.Lint,
}

NOTATION = """\
Generated from `fleet/config/model.py` by `scripts/reference.py`.

- Durations: `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"1d"`, or a number of seconds.
- Sizes: `"512MiB"`, `"1.5GiB"`, `"512MB"`, or a number of bytes.
- In every string: `${VAR}` (unset is an error), `${VAR:-default}`, `${VAR:?message}`, `$$` for a dollar sign.
- `[defaults]` takes the keys of `[workers.NAME]` except `queues`, and every group inherits them.
- `[env.NAME]` takes any table of this page; `--env NAME` merges it over the rest.
- Unknown keys are errors.

What a change of a key takes in a running fleet (`fleet plan` shows it for an edit):

""" + "\n".join(f"- **{effect.value}**: {text}." for effect, text in EXPLAINED.items())


def configuration() -> str:
    """One table of keys per table of the file."""
    parts = ["# fleet.toml", NOTATION]
    for title, table in TABLES.items():
        rows = [
            f"| `{name}` | {default(field)} | {effect(title, name)} | {text} |"
            for name, field, text in fields(table)
        ]
        doc = (table.__doc__ or "").strip()
        parts.append(
            "\n".join(
                [
                    f"## `{title}`",
                    "",
                    doc,
                    "",
                    "| key | default | change | meaning |",
                    "|---|---|---|---|",
                    *rows,
                ]
            )
        )
    return "\n\n".join(parts) + "\n"


def fields(table: type[Table]) -> Iterator[tuple[str, Field, str]]:
    texts = descriptions(table)
    return ((key, field, texts.get(field.name, "")) for key, field in table.fields.items())


def effect(title: str, key: str) -> str:
    """What a change of the key takes in a running fleet."""
    if title.startswith("replicas"):
        return EFFECTS["workers.replicas"].value
    return EFFECTS[f"{re.findall('[a-z]+', title)[0]}.{key}"].value


def default(field: Field) -> str:
    if field.is_required:
        return "required"
    return "-" if field.default is None else f"`{toml(field.default)}`"


def toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case timedelta():
            return f'"{value.total_seconds():g}s"'
        case str():
            return f'"{value}"'
        case tuple() | list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{}"
        case _:
            return str(value)


def commands() -> str:
    """The help of every command, as the terminal shows it."""
    context = click.Context(root, info_name="fleet", terminal_width=100)
    parts = [
        "# Commands",
        "Generated from the commands' own help by `scripts/reference.py`.",
        block(root.get_help(context)),
    ]
    for name in COMMANDS:
        command = root.get_command(context, name)
        if command is not None:
            parts += [f"## fleet {name}", *command_help(command, name, context)]
    return "\n\n".join(parts) + "\n"


def command_help(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=100)
    yield block(command.get_help(context))
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            inner = command.get_command(context, verb)
            assert inner is not None
            yield from command_help(inner, verb, context)


def block(text: str) -> str:
    return f"```\n{text}\n```"


CHECKS = """\
Generated from the checks' own explanations in `fleet/rules/` by `scripts/reference.py`; `fleet explain CODE` shows
the same at the terminal.

- **error**: stops `fleet up`, `reload` and `plan`; `fleet validate` exits with 1. **warning**: with `--strict`, too.
  **info** never fails.
- ✎ `--fix` mends it. ~ `--fix --unsafe` mends it by a guess.
- `# fleet: ignore[CODE] why` at the end of its line keeps a finding quiet; `[lint] ignore` does so for the whole file,
  and `[lint] severity` gives it another severity. Mistakes of syntax (FLT001 to FLT010) always count.
- `# fleet: ignore[CODE] why` behind the header of a table holds for that table.
- ⚖: depends on how large the machine is. An error in `fleet validate`, which is run before a fleet is rolled out; on
  the machine that runs it, where `fleet up`, `reload` and `plan` look, a warning, which `fleet status` shows: it would
  run all the same. All other errors stop a start. `[lint] severity` makes it an error there, too.
- Numbers say where they come from: `--cpus`, `--memory` and `--nofile`, else `[machine]`, else this machine and its
  cgroup limits."""

TITLES = {
    "syntax": "Syntax and schema",
    "queues": "Queues",
    "routes": "Routes",
    "pools": "Pools and concurrency",
    "capacity": "Capacity of the machine",
    "reliability": "Reliability",
    "security": "Security",
    "operations": "Operations",
    "broker": "Broker",
}


def checks() -> str:
    """An overview by subject, then every check with its explanation."""
    rules = catalogue().values()
    parts = ["# The checks of fleet validate", CHECKS]
    for subject, title in TITLES.items():
        rows = [
            f"| [{rule.code}](#{rule.code.lower()}-{rule.name}) | {rule.severity}{signs(rule)} | "
            f"{summary(rule)} |"
            for rule in rules
            if rule.subject == subject
        ]
        parts.append("\n".join([f"## {title}", "", "| code | severity | finds |", "|---|---|---|", *rows]))
    for rule in rules:
        parts += [f"## {rule.code} {rule.name}", explanation(rule)]
    return "\n\n".join(parts) + "\n"


SIGNS = {"safe": " ✎", "unsafe": " ~", None: ""}


def signs(rule: Rule) -> str:
    return SIGNS[rule.fix] + (" ⚖" if rule.sized else "")


def summary(rule: Rule) -> str:
    return rule.explanation.partition("\n")[0]


def explanation(rule: Rule) -> str:
    """The docstring with its examples as TOML blocks."""
    lines, inside = list[str](), False
    for line in rule.explanation.splitlines():
        if line.startswith("    ") and not inside:
            language = "toml" if line.lstrip().startswith("[") else "sh"
            lines, inside = [*lines, f"```{language}"], True
        elif line and not line.startswith("    ") and inside:
            lines, inside = [*lines[:-1], "```", "", line], False
            continue
        lines.append(line.removeprefix("    "))
    return "\n".join([*lines, "```"] if inside else lines)


METRIC_NOTES = (
    """\
Generated from `fleet/controller/metrics/metric_names.py` by `scripts/reference.py`.

`fleet metrics` prints them, the controller tells them on its socket (`GET /metrics`), and `fleet dashboard` to who has
a token.
`fleet export grafana` and `fleet export alerts` make a dashboard and rules, with the thresholds of fleet.toml.

- Counters and histograms go on over restarts of workers, controller and supervisor: the state directory has them.
- Labels are bounded: groups and queues of fleet.toml, and 500 (queue, task), the rest is `other`. `worker` is a
  slot, as in `http/0`. There is no pid, host, id or text of an exception: a restart makes no new series.
- A number that the broker can't give is absent, never 0: RabbitMQ tells no age of the oldest message, SQLite and
  Redis no consumers.
- Right after a controller has started the numbers of tasks may be absent for a moment, until every worker has told
  what it counted.
- Buckets, in seconds: """
    + ", ".join(f"{bound:g}" for bound in BOUNDS)
    + "."
)


def metrics() -> str:
    """A table of all of them."""
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels) or '-'} | {each.help} |"
        for each in METRICS
    ]
    table = "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows])
    return f"# Metrics\n\n{METRIC_NOTES}\n\n{table}\n"


PAGES = {
    "configuration.md": configuration,
    "commands.md": commands,
    "rules.md": checks,
    "metrics.md": metrics,
}


def main() -> int:
    check = "--check" in sys.argv[1:]
    drifted = []
    for name, make in PAGES.items():
        page, text = REFERENCE / name, make()
        if page.exists() and page.read_text() == text:
            continue
        drifted.append(name)
        if not check:
            page.write_text(text)
    verdict = "is not what the code says; run scripts/reference.py" if check else "written"
    for name in drifted:
        print(f"docs/reference/{name}: {verdict}")
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(main())
