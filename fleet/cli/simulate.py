"""`fleet simulate`: what a load would do to the fleet, in seconds instead of hours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.exits import Exit
from fleet.cli.options import AtLeast, Failure, env_option, file_option, json_option

if TYPE_CHECKING:
    from fleet.config.model import Fleet
    from fleet.simulation.load_file import Load, LoadNames
    from fleet.simulation.world import History

_WAITS = ("p50", "p95", "p99", "max")
_PATIENCE = 3.0


@click.command(short_help="Replay a load, to see how many workers it would take.")
@click.argument("load", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=False)
@click.option(
    "--assert",
    "assertions",
    metavar="'GROUP.FIGURE < VALUE'",
    multiple=True,
    help="Exit 1 unless this holds.",
)
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw it into this file.")
@click.option("--seed", type=int, help="Random seed, instead of the one in LOAD.")
@click.option("--cpus", type=AtLeast(1), help="CPUs to scale within; default: [machine], this one.")
@click.option("--boot", default="1s", show_default=True, metavar="TIME", help="What a worker takes to start.")
@click.option("--decisions", is_flag=True, help="Print each change of the number of replicas, and why.")
@click.option(
    "--record", type=click.Path(path_type=Path, dir_okay=False), help="Write a load from the running fleet."
)
@click.option(
    "--for",
    "lasting",
    metavar="TIME",
    default="10m",
    show_default=True,
    help="How long to record, or to replay.",
)
@click.option("--schedules", is_flag=True, help="Send what the clock sends, too; without LOAD, for --for.")
@click.option("--from", "start", metavar="DATE", help="When that begins, as in 2027-03-27; default: now.")
@click.option(
    "--task-time",
    metavar="TIME",
    default="1s",
    show_default=True,
    help="What a scheduled task takes of which no run is known.",
)
@file_option
@env_option
@json_option
def command(**given: Any) -> int:
    """Replay LOAD (arrivals per second over time, task seconds) against the fleet that the file declares.

    Prints how long messages would wait and how many replicas there would be, decided by the same autoscaler
    that runs in the controller. LOAD is a .toml for people, a .csv, or JSON lines from --record, which watches
    the running fleet instead. With --schedules the clock is a sender as well: `fleet simulate --schedules --for 1d`.
    Exits 1 when an --assert does not hold.
    """
    if given["record"] is not None:
        from fleet.cli.running.record import record

        return record(given["record"], given["file"], given["env"], _seconds("--for", given["lasting"]))
    if given["load"] is None and not given["schedules"]:
        raise Failure(
            "name a LOAD to replay, --schedules for what the clock sends, or --record FILE to make one from the "
            "running fleet",
            Exit.USAGE,
        )
    return _simulate(given)


def _simulate(given: dict[str, Any]) -> int:
    from fleet.cli.file.loading import load_fleet
    from fleet.simulation.figures import figures

    fleet = load_fleet(given["file"], given["env"], exit_code=Exit.BAD_CONFIG)
    load, histories = _run(fleet, given)
    found = {history.group: figures(history) for history in histories}
    failed = _failed(given["assertions"], found)
    if given["svg"] is not None:
        what = given["load"].name if given["load"] else "schedules"
        _draw(given["svg"], histories, f"{fleet.name}: {what}")
    if given["as_json"]:
        click.echo(json.dumps(_as_json(histories, found, load, failed), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_text(histories, found, given["decisions"])))
    for said in failed:
        click.echo(f"does not hold: {said}", err=True)
    return Exit.FINDINGS if failed else Exit.OK


def _run(fleet: Fleet, given: dict[str, Any]) -> tuple[Load, list[History]]:
    from fleet.config.resolve_groups import fleet_state
    from fleet.controller.autoscale.room import Room
    from fleet.machine import this_machine
    from fleet.simulation.world import World

    machine = this_machine().stated(cpus=given["cpus"], memory=None, nofile=None, origin=("--cpus",) * 3)
    machine = fleet.machine.over(machine)
    accepted = fleet_state(fleet, machine=machine)
    load = _load(fleet, given)
    sent = load.arrivals(given["seed"])
    if given["schedules"]:
        sent = sorted([*sent, *_by_clock(fleet, load.seconds, given)])
    room = Room(machine.cpus.value, machine.memory.value)
    world = World(accepted.groups, room, boot_seconds=_seconds("--boot", given["boot"]))
    end = load.seconds
    histories = world.run(sent, until=end, at_most=end * _PATIENCE + 60)
    return load, histories


def _load(fleet: Fleet, given: dict[str, Any]) -> Load:
    """Raises Failure. Without a file it is empty, and as long as --for says."""
    from fleet.simulation.load_file import BadLoad, Load, parse

    path: Path | None = given["load"]
    if path is None:
        return Load((), _seconds("--for", given["lasting"]))
    try:
        return parse(path.read_text(encoding="utf-8"), path.suffix.lower(), _names(fleet))
    except (BadLoad, UnicodeDecodeError) as error:
        raise Failure(f"{path}: {error}", Exit.USAGE) from error


def _by_clock(fleet: Fleet, seconds: float, given: dict[str, Any]) -> list[tuple[float, str, float]]:
    from time import time

    from fleet.cli.running.run_times import run_times
    from fleet.cli.running.schedules import starting_at
    from fleet.config.resolve import schedules, state_dir
    from fleet.controller.observed.schedules import read_known, with_app
    from fleet.simulation.by_clock import arrivals
    from fleet.simulation.load_file import BadLoad

    clock = with_app(schedules(fleet), read_known(state_dir(fleet).schedules_known))
    if not clock and given["load"] is None:
        raise Failure(
            "nothing is sent by the clock: there are no [[schedules]], and the beat_schedule of a Celery app is known "
            "once `fleet up` has run here"
        )
    known, otherwise = run_times(fleet), _seconds("--task-time", given["task_time"])
    names = _names(fleet)
    start = starting_at(given["start"], fleet.project.timezone) if given["start"] else int(time() * 1000)
    try:
        return arrivals(
            fleet.name,
            clock,
            start=start,
            seconds=seconds,
            work=lambda schedule: (
                schedule.queue or names.of_task(schedule.task),
                known[schedule.name].seconds if schedule.name in known else otherwise,
            ),
        )
    except BadLoad as error:
        raise Failure(str(error)) from error


def _names(fleet: Fleet) -> LoadNames:
    from fleet.broker.router import Router, Unroutable
    from fleet.config.resolve import routing
    from fleet.simulation.load_file import BadLoad, LoadNames

    router = Router(routing(fleet).routes)
    consumed = tuple(dict.fromkeys(queue for group in fleet.workers.values() for queue in group.queues))

    def of_task(task: str) -> str:
        try:
            return router.route(task, source="the file").queue
        except Unroutable as error:
            raise BadLoad(str(error)) from None

    def of_group(name: str) -> str:
        if name not in fleet.workers:
            raise BadLoad(f"there is no worker group {name!r}; there are: {', '.join(fleet.workers)}")
        return fleet.workers[name].queues[0]

    return LoadNames(of_task, of_group, consumed)


def _failed(assertions: tuple[str, ...], found: dict[str, Any]) -> list[str]:
    from fleet.simulation.figures import BadAssertion, check

    try:
        return [said for each in assertions if (said := check(each, found)) is not None]
    except BadAssertion as error:
        raise Failure(f"--assert {error}", Exit.USAGE) from error


def _draw(path: Path, histories: list[History], title: str) -> None:
    from fleet.simulation.svg import picture

    try:
        path.write_text(picture(histories, title), encoding="utf-8")
    except OSError as error:
        raise Failure(f"can't write {path}: {error.strerror}", Exit.USAGE) from error


def _as_json(
    histories: list[History], found: dict[str, Any], load: Load, failed: list[str]
) -> dict[str, Any]:
    groups = {
        history.group: {
            **found[history.group],
            "decisions": [{"at": at, "what": what} for at, what in history.decisions],
        }
        for history in histories
    }
    return {
        "seconds": load.seconds,
        "simulated_seconds": histories[0].points[-1].at if histories else 0.0,
        "groups": groups,
        "failed": failed,
    }


def _text(histories: list[History], found: dict[str, Any], decisions: bool) -> list[str]:
    from fleet.cli.file.loading import terminal_width
    from fleet.cli.views.status import plain
    from fleet.cli.views.text_table import Column, compact, table
    from fleet.duration_words import measured
    from fleet.simulation.chart import charts, clock

    lines: list[str] = []
    for history in histories:
        lines += [*charts(history, terminal_width()), ""]
        if decisions:
            lines += [*(f"{clock(at):>8} {what}" for at, what in history.decisions), ""]
    rows = [{"group": name, **numbers} for name, numbers in found.items()]

    def wait(key: str) -> Column:
        return Column(f"WAIT {key.upper()}", lambda row: measured(row["wait"][key]), right=True)

    def replicas(key: str) -> Column:
        return Column(key.upper(), lambda row: f"{row['replicas'][key]:.3g}", right=True)

    columns = [
        Column("GROUP", lambda row: row["group"], shrinks=True),
        Column("MESSAGES", lambda row: compact(row["messages"]), right=True),
        *(wait(key) for key in _WAITS),
        *(replicas(key) for key in ("min", "mean", "max")),
        Column("MOST WAITING", lambda row: compact(row["waiting"]["max"]), right=True),
    ]
    if any(row["unstarted"] for row in rows):
        columns.append(Column("NEVER STARTED", lambda row: compact(row["unstarted"]), right=True))
    return [*lines, *table(columns, rows, terminal_width(), plain)]


def _seconds(option: str, text: str) -> float:
    from fleet.config.units import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError:
        raise Failure(f'{option} {text}: expected a time, as in "2s" or "10m"', Exit.USAGE) from None
