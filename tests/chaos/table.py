"""Verdicts as a table, the one of docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.mix import Mix
from tests.chaos.setups import PLAIN
from tests.chaos.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """`who`: "fleet", or a peer and how it was set."""

    who: str
    mix: Mix
    verdict: Verdict


_HEAD = (
    *("broker", "who", "pool", "messages", "faults"),
    *("lost", "done again", "of at risk", "sent twice", "rescued", "longest pause", "verdict"),
)


def table(rows: list[Row]) -> str:
    lines = [_HEAD, ("---",) * len(_HEAD), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    verdict = row.verdict
    tallies = verdict.by_kind.values()
    return (
        *(_set_up(row.mix), row.who, row.mix.pool),
        f"{verdict.messages:,}",
        str(sum(each.strikes for each in tallies)),
        str(len(verdict.lost)),
        str(verdict.repeated + len(verdict.unexplained)),
        str(sum(each.at_risk for each in tallies)),
        str(verdict.copies),
        str(verdict.rescues),
        f"{verdict.longest_pause:.1f} s",
        "good" if verdict.is_good else "; ".join(verdict.problems),
    )


def _set_up(mix: Mix) -> str:
    return mix.broker if mix.setup is PLAIN else f"{mix.broker}, {mix.setup.name}"
