"""`fleet schedule`: what fires when, what became of it, and what people do about it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleet.cli.exits import Exit
from fleet.cli.options import AtLeast, Failure, env_option, file_option, json_option
from fleet.cli.running.commands import duration, for_option, post, reason_option
from fleet.cli.running.needed import Needed, name_a_schedule, schedules
from fleet.visible import visible

if TYPE_CHECKING:
    from fleet.launch_specs import ScheduleSpec

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group(short_help="List, preview, run, pause or resume what the clock sends.")
def command() -> None:
    """The [[schedules]] of the file: when they fire, how their last run went, and what can be done about it."""


def common(function: Function) -> Function:
    """-f, --env, --json."""
    return file_option(env_option(json_option(function)))


@command.command("list", short_help="Each schedule with its next run and its last one.")
@common
def list_schedules(*, file: Path | None, env: str | None, as_json: bool) -> int:
    """Each schedule with its next run, its last one, how that ended and how late it was sent.

    Of a fleet that does not run, only what the file says.
    """
    from fleet.cli.running.schedules import known_schedules
    from fleet.cli.views.schedules import as_table

    found = known_schedules(file, env)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif not found["schedules"]:
        click.echo("no schedules: [[schedules]] in fleet.toml declares them")
    else:
        click.echo("\n".join(as_table(found["schedules"], time.time())))
        if not found["running"]:
            click.echo("the fleet is not running: last runs are not known here", err=True)
        elif (scheduler := found["scheduler"]) and not scheduler["leads"] and scheduler["pid"]:
            why = scheduler["error"] or "another host's scheduler sends them, and knows the last runs"
            click.echo(f"this host's scheduler sends nothing: {visible(why)}", err=True)
    return Exit.OK


@command.command("next", short_help="The next runs that fleet.toml says.")
@click.argument("names", cls=Needed, names=schedules, metavar="[NAME...]", nargs=-1)
@click.option("-n", "count", type=AtLeast(1), default=5, show_default=True, help="Show that many runs.")
@common
def next_schedules(
    *, names: tuple[str, ...], count: int, file: Path | None, env: str | None, as_json: bool
) -> int:
    """The next runs of all schedules, or of those named, by the file: a timeline."""
    from fleet.cli.running.schedules import coming
    from fleet.cli.views.schedules import as_timeline, runs_as_dicts

    fleet, chosen = _declared(file, env, names)
    runs = coming(fleet, chosen, int(time.time() * 1000), count)
    if as_json:
        click.echo(json.dumps(runs_as_dicts(runs), indent=2))
    else:
        click.echo("\n".join(as_timeline(runs, time.time())) if runs else "nothing ever fires")
    return Exit.OK


@command.command("preview", short_help="When a cron expression would fire.")
@click.argument(
    "when",
    cls=Needed,
    names=lambda _file, _env: (),
    sentence=lambda _: 'give a cron expression, as in "0 3 * * mon-fri", or a time, as in "30s"',
    completed_by=None,
    metavar="CRON|TIME",
)
@click.option("--timezone", metavar="ZONE", default="UTC", show_default=True, help='As in "Europe/Berlin".')
@click.option("-n", "count", type=AtLeast(1), default=5, show_default=True, help="Show that many runs.")
@click.option("--from", "start", metavar="DATE", help='Begin there instead of now, as in "2027-03-27".')
@json_option
def preview(*, when: str, timezone: str, count: int, start: str | None, as_json: bool) -> int:
    """When an expression would fire: `fleet schedule preview "0 3 * * mon-fri" --timezone Europe/Berlin`.

    CRON has five fields, or six with seconds first; TIME is as in "30s".
    """
    from fleet.cli.running.schedules import read_expression, starting_at
    from fleet.cli.views.schedules import as_preview, runs_as_dicts
    from fleet.schedules.moments import upcoming

    schedule = read_expression(when, timezone)
    from fleet.schedules.notes import timing_of

    since = starting_at(start, timezone) if start else int(time.time() * 1000)
    fires = (moment for _, moment in zip(range(count), upcoming(timing_of(schedule), since), strict=False))
    runs = [(moment, schedule) for moment in fires]
    if as_json:
        click.echo(json.dumps(runs_as_dicts(runs), indent=2))
    else:
        click.echo("\n".join(as_preview(runs)) if runs else "never")
    return Exit.OK if runs else Exit.FINDINGS


@command.command("run", short_help="Send the task of a schedule now; its timetable stays.")
@click.argument("name", cls=Needed, names=schedules, sentence=name_a_schedule)
@common
def run(*, name: str, file: Path | None, env: str | None, as_json: bool) -> int:
    """Send the task of a schedule now; its timetable stays; --json prints the message's id."""
    return post("/schedules/run", file, env, as_json, name=name)


@command.command("pause", short_help="Stop sending a schedule until `resume`.")
@click.argument("name", cls=Needed, names=schedules, sentence=name_a_schedule)
@for_option
@reason_option
@common
def pause(
    *, name: str, lasting: str | None, reason: str | None, file: Path | None, env: str | None, as_json: bool
) -> int:
    """Stop sending a schedule, on every host, until `resume` or until --for is over; missed runs are not sent later."""
    return post(
        "/schedules/pause", file, env, as_json, name=name, for_seconds=duration(lasting), reason=reason
    )


@command.command("resume")
@click.argument("name", cls=Needed, names=schedules, sentence=name_a_schedule)
@common
def resume(*, name: str, file: Path | None, env: str | None, as_json: bool) -> int:
    """End a pause. Of a schedule with `overlap = "skip"` also forget a run whose end nobody has told."""
    return post("/schedules/resume", file, env, as_json, name=name)


@command.command("fire", short_help="Send the run of one moment, once: for a CronJob.")
@click.argument("name", cls=Needed, names=schedules, sentence=name_a_schedule)
@click.option(
    "--job",
    envvar="FLEET_JOB",
    metavar="JOB",
    help="Name of the CronJob's Job, which tells the moment [default: the last that was due].",
)
@common
def fire(*, name: str, job: str | None, file: Path | None, env: str | None, as_json: bool) -> int:
    """Send the run of a schedule that is due, once, without a running fleet: what a CronJob is for.

    It has the identity of its moment and the note of a run that a scheduler sends: whoever comes second, be it
    another Job or a scheduler, sends nothing. `fleet export kubernetes --schedules cronjob` writes the CronJobs.
    """
    from fleet.cli.running.fire import send_one_run

    outcome = send_one_run(file, env, name, job)
    said = {"name": name, "outcome": outcome}
    click.echo(json.dumps(said, ensure_ascii=False) if as_json else f"{visible(name)}: {outcome}")
    return Exit.OK


def _declared(file: Path | None, env: str | None, names: tuple[str, ...]) -> tuple[str, list[ScheduleSpec]]:
    """The fleet's name, and the schedules called so, or all that are enabled. Raises Failure."""
    from fleet.cli.file.loading import load_fleet
    from fleet.config.resolve import schedules

    fleet = load_fleet(file, env)
    known = {each.name: each for each in schedules(fleet)}
    for name in names:
        if name not in known:
            there = ", ".join(known) or "none"
            raise Failure(f"there is no schedule {name!r}; there are: {there}", Exit.USAGE)
    chosen = [known[name] for name in names] if names else [each for each in known.values() if each.enabled]
    return fleet.name, chosen
