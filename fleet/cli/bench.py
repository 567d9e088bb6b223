"""`fleet bench`: a task of the app on several pools and numbers of slots, and what to write into fleet.toml."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option, json_option
from fleet.cli.running.needed import Needed, listed

if TYPE_CHECKING:
    from fleet.bench.bench_run import Bench
    from fleet.config.model import Fleet
    from fleet.rules.app import AppTask


def _names(file: Path | None, env: str | None) -> list[str]:
    from fleet.cli.file.loading import load_fleet

    return list(_tasks_of_app(load_fleet(file, env, exit_code=Exit.BAD_CONFIG)))


@click.command(short_help="Measure a task on several pools, and say which one is right.")
@click.argument(
    "tasks",
    cls=Needed,
    names=_names,
    sentence=lambda names: f"name a task of the app; {listed('there are', names)}",
    completed_by=None,  # the shell's Tab imports no app
    metavar="TASK...",
    nargs=-1,
    required=True,
)
@click.option("--args", "arguments", metavar="JSON", help="Arguments of the call: a list.")
@click.option("--kwargs", "named", metavar="JSON", help="Arguments by name: an object.")
@click.option(
    "--calls",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help='Many calls, in turn: a JSON line each, [1, 2] or {"args": […], "kwargs": {…}}.',
)
@click.option(
    "--dead", metavar="QUEUE", help="Arguments of up to 100 of its dead messages, which stay where they are."
)
@click.option("--pools", metavar="POOL,...", help="Only these [default: those that suit what the task does].")
@click.option("--concurrency", metavar="N,...", help="Only these [default: chosen by what is measured].")
@click.option(
    "--budget", default="60s", show_default=True, metavar="TIME", help="How long it may take, in all."
)
@click.option(
    "--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw the curves into this file."
)
@file_option
@env_option
@json_option
def command(**given: Any) -> int:
    """Run TASK for real, over and over, on several pools and numbers of slots, and recommend one of them.

    What the task does is done: give it arguments that may be tried. Its queue is not touched: the workers take from a
    broker of their own in a temporary folder, and messages that the task sends end there. App, environment and limits
    are those of its group. Ctrl-C ends it, and prints what has been measured.
    """
    from fleet.cli.file.loading import load_fleet
    from fleet.cli.views.bench import as_json, text

    fleet = load_fleet(given["file"], given["env"], exit_code=Exit.BAD_CONFIG)
    benches = _benches(fleet, given)
    until = time.monotonic() + _seconds(given["budget"])
    code: int = Exit.OK
    done: list[Bench] = []
    for index, bench in enumerate(benches):
        now = time.monotonic()
        bench.until = now + max(1.0, until - now) / (len(benches) - index)
        code = max(code, _run(bench))
        done.append(bench)
        if code == Exit.INTERRUPTED:
            break
    if given["svg"] is not None:
        _draw(given["svg"], done)
    if given["as_json"]:
        said = as_json(done, interrupted=code == Exit.INTERRUPTED)
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(text(done)))
    return code


def _run(bench: Bench) -> int:
    from fleet.bench.bench_worker import BenchFailed
    from fleet.bench.measuring import TaskFails

    try:
        bench.run()
    except KeyboardInterrupt:
        bench.say("broken off")
        return Exit.INTERRUPTED
    except (BenchFailed, TaskFails) as error:
        bench.skipped.append(str(error))
        return Exit.FINDINGS
    finally:
        if sys.stderr.isatty():
            click.echo("\r\x1b[K", nl=False, err=True)
    return Exit.OK


def _benches(fleet: Fleet, given: dict[str, Any]) -> list[Bench]:
    from fleet.advice.measured import Capacity
    from fleet.bench.bench_run import Bench
    from fleet.bench.measuring import Subject
    from fleet.cli.running import sample_calls
    from fleet.config.resolve_groups import worker_spec
    from fleet.launch_specs import celery_entries
    from fleet.machine import this_machine
    from fleet.rules.app import queues_of

    if celery_entries(fleet.project.app):
        raise Failure(
            "fleet bench can't keep a Celery app away from its own broker and result backend: it runs tasks of "
            "`from fleet import task`",
            Exit.USAGE,
        )
    machine = fleet.machine.over(this_machine())
    pools = ("prefork", "threads", "asyncio", "solo", *sorted({"gevent", "eventlet"} & machine.modules))
    room = Capacity(machine.cpus.value, float(machine.memory.value), pools)
    tasks = _tasks(fleet, given["tasks"])
    calls = sample_calls.of_tasks([each.name for each in tasks], given)
    found = []
    for each in tasks:
        queue = queues_of(fleet, [each])[each.name]
        group = worker_spec(fleet, _group(fleet, queue), machine=machine)
        subject = Subject(each.name, calls[each.name], group, each.is_async, queue)
        wanted = _wanted(given, room, each)
        found.append(Bench(subject, room, 0.0, _progress(each.name), wanted))
    return found


def _progress(task: str) -> Any:
    began = time.monotonic()
    is_terminal = sys.stderr.isatty()

    def say(what: str) -> None:
        line = f"{time.monotonic() - began:5.1f} s  {task}: {what}"
        click.echo(f"\r\x1b[K{line}" if is_terminal else line, nl=not is_terminal, err=True)

    return say


def _tasks_of_app(fleet: Fleet) -> dict[str, AppTask]:
    from fleet.cli.file.app_inventory import SECONDS, take_inventory
    from fleet.config.resolve import app_import
    from fleet.rules.app import AppFailure

    found = take_inventory(app_import(fleet), fleet.folder, SECONDS)
    if isinstance(found, AppFailure):
        raise Failure(f"the app can't be imported: {found.module}: {found.reason}", Exit.BAD_CONFIG)
    return {task.name: task for task in found.tasks}


def _tasks(fleet: Fleet, names: tuple[str, ...]) -> list[AppTask]:
    from fleet.rules.did_you_mean import nearest

    by_name = _tasks_of_app(fleet)
    for name in names:
        if name not in by_name:
            near = nearest(name, by_name)
            raise Failure(
                f"the app has no task {name}" + (f"; did you mean {near}?" if near else ""), Exit.USAGE
            )
    return [by_name[name] for name in dict.fromkeys(names)]


def _group(fleet: Fleet, queue: str | None) -> str:
    """Whose environment and limits a task of that queue runs with: the group that takes it, else any."""
    for name, group in fleet.workers.items():
        if queue in group.queues:
            return name
    if not fleet.workers:
        raise Failure("the file has no [workers.NAME]: with one, its tasks can be run", Exit.BAD_CONFIG)
    return next(iter(fleet.workers))


def _wanted(given: dict[str, Any], room: Any, task: AppTask) -> list[Any]:
    """Each of --pools with each of --concurrency, and what suits in the place of what is not given."""
    from fleet.advice.measured import PoolSetting
    from fleet.config.model import POOLS

    if given["pools"] is None and given["concurrency"] is None:
        return []
    pools = [each.strip() for each in given["pools"].split(",")] if given["pools"] else []
    for pool in pools:
        if pool not in POOLS:
            raise Failure(f"--pools: no pool {pool!r}; there are {', '.join(POOLS)}", Exit.USAGE)
        if pool not in room.pools:
            raise Failure(
                f"--pools: {pool} is not installed: pip install 'fleet-workers[{pool}]'", Exit.USAGE
            )
    unfit = ("gevent", "eventlet") if task.is_async else ("asyncio",)
    try:
        numbers = [int(each) for each in given["concurrency"].split(",")] if given["concurrency"] else []
    except ValueError:
        numbers = [0]
    if any(number < 1 for number in numbers):
        raise Failure(f"--concurrency: expected numbers such as 8,64, got {given['concurrency']}", Exit.USAGE)
    wanted = []
    for pool in pools or [each for each in room.pools if each not in (*unfit, "eventlet", "solo")]:
        usual = [1, room.cpus] if pool == "prefork" else [8, 64, 512]
        wanted += [PoolSetting(pool, 1 if pool == "solo" else number) for number in numbers or usual]
    return list(dict.fromkeys(wanted))


def _draw(path: Path, benches: list[Bench]) -> None:
    from fleet.cli.views.bench_svg import picture

    try:
        path.write_text(picture(benches), encoding="utf-8")
    except OSError as error:
        raise Failure(f"can't write {path}: {error.strerror}", Exit.USAGE) from error


def _seconds(text: str) -> float:
    from fleet.config.units import parse_duration

    try:
        seconds = parse_duration(text).total_seconds()
    except ValueError:
        seconds = 0.0
    if seconds < 1:
        raise Failure(f'--budget {text}: expected a time of a second or more, as in "60s"', Exit.USAGE)
    return seconds
