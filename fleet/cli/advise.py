"""`fleet advise`: what the running fleet teaches about its own file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option, json_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleet.advice.evidence import GroupEvidence
    from fleet.advice.group_advice import GroupAdvice, SplitAdvice
    from fleet.config.fix import Fixed
    from fleet.config.load import Loaded, Source
    from fleet.config.model import Fleet
    from fleet.machine import Machine

_CODE = "FLT323"


@click.command(short_help="Say what to change, by what the workers have measured.")
@click.option("--diff", "as_diff", is_flag=True, help="Print what --write would change; change nothing.")
@click.option("--write", "writes", is_flag=True, help="Put it into the file; its comments stay.")
@click.option("--since", default="1d", show_default=True, metavar="TIME", help="How far back to look.")
@file_option
@env_option
@json_option
def command(
    *, as_diff: bool, writes: bool, since: str, file: Path | None, env: str | None, as_json: bool
) -> int:
    """Compare fleet.toml with what its workers have counted: pools, concurrency, replicas, workloads.

    Each piece of advice has its evidence in numbers, the lines to change, and what that would bring. Where there is too
    little evidence nothing is said, and nothing that `fleet validate` would object to. The statistics are those that
    workers keep anyway, of the running fleet or of its history. A running fleet follows the file by itself.
    """
    from fleet.cli.file import fixing
    from fleet.cli.file.loading import load_loaded, show
    from fleet.cli.guard import write_exactly
    from fleet.machine import this_machine

    loaded = load_loaded(file, env)
    if loaded.fleet is None:
        show(loaded)
        raise Failure(f"{loaded.source.path} has errors: `fleet validate` shows them again", Exit.BAD_CONFIG)
    machine = loaded.fleet.machine.over(this_machine())
    evidence = _evidence(loaded.fleet, _seconds(since), machine)
    look = _Look(env, machine, evidence)
    fixed = fixing.mended(loaded.source, look, unsafe=False)
    found = _kept(loaded.fleet, machine, evidence, fixed)
    change = fixing.diff(loaded.source, fixed.text)
    if writes and fixed.text != loaded.source.text:
        fixing.write(loaded.source, fixed.text)
    if as_json:
        from fleet.cli.views.advice import as_json as said

        click.echo(json.dumps({**said(found, evidence), "diff": change}, indent=2, ensure_ascii=False))
    elif as_diff:
        write_exactly(change)
    else:
        from fleet.cli.views.advice import lines

        click.echo("\n".join(lines(found, evidence)))
        if writes and change:
            click.echo(f"{loaded.source.name} was written: `fleet advise` is silent now", err=True)
    return Exit.OK


class _Look:
    """The file with the advice among its findings. Only advice is mended, and only where nothing else is found then."""

    def __init__(self, env: str | None, machine: Machine, evidence: Mapping[str, GroupEvidence]) -> None:
        self._env, self._machine, self._evidence = env, machine, evidence

    def __call__(self, source: Source) -> Loaded:
        from fleet.config.load import circumstances, load_under
        from fleet.rules.not_as_measured import not_as_measured

        under = circumstances(
            machine=self._machine, ask=lambda fleet: not_as_measured(fleet, self._machine, self._evidence)
        )
        loaded = load_under(source, self._env, under)
        return loaded._replace(
            diagnostics=tuple(
                each._replace(fix=each.fix._replace(safe=True) if each.fix and each.code == _CODE else None)
                for each in loaded.diagnostics
            )
        )


def _kept(
    fleet: Fleet, machine: Machine, evidence: Mapping[str, GroupEvidence], fixed: Fixed
) -> list[GroupAdvice | SplitAdvice]:
    """Without what could not be followed: `fleet validate` would object, or there is no plain place for it."""
    from fleet.advice.group_advice import SplitAdvice
    from fleet.rules.not_as_measured import advice_on

    after = fixed.left.fleet
    still = {each.group for each in advice_on(after, machine, evidence)} if after else set()
    return [
        each
        for each in advice_on(fleet, machine, evidence)
        if isinstance(each, SplitAdvice) or each.group not in still
    ]


def _evidence(fleet: Fleet, seconds: float, machine: Machine) -> dict[str, GroupEvidence]:
    from fleet.cli.running import lesson_file
    from fleet.cli.running.evidence import gather
    from fleet.config.resolve import state_dir

    found = gather(fleet, state_dir(fleet), seconds, machine.cpus.value)
    lesson_file.write(state_dir(fleet), found)
    return found


def _seconds(text: str) -> float:
    from fleet.config.units import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError:
        raise Failure(f'--since {text}: expected a time, as in "2h" or "7d"', Exit.USAGE) from None
