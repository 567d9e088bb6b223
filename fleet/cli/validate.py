"""`fleet validate`: everything that is wrong with a fleet.toml, before it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import AtLeast, Failure, env_option, file_option, json_option
from fleet.cli.views.findings import FORMATS, JOINABLE, chosen_format, deliver, failing, report

if TYPE_CHECKING:
    from fleet.cli.file.probes import Questions
    from fleet.config.load import Loaded, Source
    from fleet.export.node import Node
    from fleet.machine import Machine


@click.command(short_help="Find what is wrong in fleet.toml, and say what to do.")
@click.argument("paths", metavar="[FILE|-]...", nargs=-1, type=click.Path(path_type=Path))
@file_option
@env_option
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
@click.option(
    "--app",
    "ask_app",
    is_flag=True,
    help="Import the app, in a process of its own: does every task reach a worker?",
)
@click.option(
    "--connect",
    "ask_broker",
    is_flag=True,
    help="Ask the broker, and change nothing there: would it take this fleet?",
)
@click.option(
    "--measured",
    "ask_measured",
    is_flag=True,
    help="Ask what the workers have measured: are the tasks what the file says?",
)
@click.option("--fix", is_flag=True, help="Mend what can be mended for sure, in the file.")
@click.option(
    "--unsafe", is_flag=True, help="With --fix or --diff: make guesses, too; read them before you keep them."
)
@click.option("--diff", "as_diff", is_flag=True, help="Print what --fix would change; change nothing.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    metavar="FORM",
    help=f"One of {', '.join(FORMATS)} [default: text; github where GitHub Actions reads along].",
)
@json_option
@click.option(
    "--output-file", "output", metavar="FILE", type=click.Path(path_type=Path), help="Report into FILE."
)
@click.option(
    "--stdin-filename",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With - for FILE: whose text it is, for the messages and for paths beside it.",
)
@click.option(
    "--cpus",
    metavar="N",
    type=AtLeast(1),
    help="CPUs of the machine that will run the fleet [default: those of this machine].",
)
@click.option("--memory", metavar="SIZE", help='Memory of that machine, such as "16GiB".')
@click.option(
    "--nofile",
    metavar="N",
    type=AtLeast(1),
    help="Open files that one process may have there, as in `ulimit -n`.",
)
@click.option(
    "--node-cpus",
    metavar="N",
    type=AtLeast(1),
    help="CPUs of a node of the cluster that `fleet export` is for: does a worker of each group fit?",
)
@click.option("--node-memory", metavar="SIZE", help='Memory of such a node, such as "8GiB".')
def command(
    *,
    paths: tuple[Path, ...],
    file: Path | None,
    env: str | None,
    strict: bool,
    ask_app: bool,
    ask_broker: bool,
    ask_measured: bool,
    fix: bool,
    unsafe: bool,
    as_diff: bool,
    form: str | None,
    as_json: bool,
    output: Path | None,
    stdin_filename: Path | None,
    cpus: int | None,
    memory: str | None,
    nofile: int | None,
    node_cpus: int | None,
    node_memory: str | None,
) -> int:
    """Check fleet.toml: everything that is wrong with it, and what to do.

    FILE is a fleet.toml, or - for standard input. Only the file is read, unless --app, --connect or --measured ask
    for more. Without --env every [env.NAME] is checked. `fleet explain CODE` says more about a finding.

    Exit code 0: clean, warnings allowed; 1: errors (with --strict: or warnings; with --diff: or something to
    mend); 2: wrong usage, or a file that can't be read.
    """
    from fleet.config.lean import without_plugins

    without_plugins()
    from fleet.config.load import Unreadable

    if unsafe and not (fix or as_diff):
        raise Failure("--unsafe says which fixes: it goes with --fix or --diff", Exit.USAGE)
    form = chosen_format(form, as_json=as_json, output=output)
    if len(paths) > 1 and form not in JOINABLE:
        raise Failure(f"--format {form} reports on one file at a time", Exit.USAGE)
    is_stdin = Path("-") in paths
    try:
        files = _files(paths, file, stdin_filename)
        node = _node(node_cpus, node_memory)
        questions = _questions(ask_app=ask_app, ask_broker=ask_broker, ask_measured=ask_measured, node=node)
        check = _Check(env, _machine(cpus, memory, nofile), questions)
    except Unreadable as error:
        raise Failure(str(error), Exit.USAGE) from error
    texts, verdicts, unreadable = list[str](), list[int](), list[str]()
    for path in files:
        try:
            source = _read(path, stdin_filename)
            if as_diff:
                verdicts.append(_show_diff(source, check, unsafe=unsafe, strict=strict))
                continue
            loaded = _fix(source, check, unsafe=unsafe, is_stdin=is_stdin) if fix else check(source)
        except Unreadable as error:
            unreadable.append(str(error))
            continue
        all_well = check.all_well(loaded)
        texts.append(report(loaded, form, strict=strict, all_well=all_well, to_file=output is not None))
        verdicts.append(_verdict(loaded, strict))
    if texts:
        # After --fix of - the standard output is the mended text.
        deliver(("\n" if form == "text" else "").join(texts), output, err=fix and is_stdin)
    if unreadable:
        raise Failure("; ".join(unreadable), Exit.USAGE)
    return max(verdicts)


class _Check:
    """How each text is looked at, in this run."""

    def __init__(self, env: str | None, machine: Machine, questions: Questions | None) -> None:
        self.env, self.machine, self.questions = env, machine, questions

    def __call__(self, source: Source) -> Loaded:
        from fleet.config import load

        ask = self.questions.ask if self.questions else None
        if self.env is None:
            return load.check(source, machine=self.machine, ask=ask)
        return load.load_under(source, self.env, load.circumstances(machine=self.machine, ask=ask))

    def all_well(self, loaded: Loaded) -> str:
        """For a file without findings."""
        from fleet.rules.consumption_facts import count

        if loaded.fleet is None:
            return ""
        fleet = loaded.fleet
        parts = (("worker group", fleet.workers), ("queue", fleet.queues), ("route", fleet.routes))
        text = "nothing wrong with " + ", ".join(count(len(table), noun) for noun, table in parts)
        return "; ".join([text, *(self.questions.answers(fleet) if self.questions else ())])


def _files(paths: Sequence[Path], file: Path | None, stdin_filename: Path | None) -> Sequence[Path]:
    from fleet.config.source import find_file

    if paths and file:
        raise Failure("name the file once: as FILE or with -f", Exit.USAGE)
    if paths == (Path("-"),):
        return paths
    if stdin_filename:
        raise Failure("--stdin-filename goes with -, the text on standard input", Exit.USAGE)
    if Path("-") in paths:
        raise Failure("- stands alone: one text comes on standard input", Exit.USAGE)
    return paths or (find_file(file),)


def _read(path: Path, stdin_filename: Path | None) -> Source:
    from fleet.config.source import from_bytes, read_source

    if path == Path("-"):
        return from_bytes(sys.stdin.buffer.read(), stdin_filename or path)
    return read_source(path)


def _machine(cpus: int | None, memory: str | None, nofile: int | None) -> Machine:
    from fleet.machine import this_machine

    return this_machine().stated(
        cpus=cpus,
        memory=_size("--memory", memory),
        nofile=nofile,
        origin=("--cpus", "--memory", "--nofile"),
    )


def _size(option: str, text: str | None) -> int | None:
    """Raises Failure."""
    from fleet.config.units import parse_size

    try:
        size = None if text is None else parse_size(int(text) if text.isdigit() else text)
    except ValueError:
        raise Failure(f'{option}: expected a size such as "16GiB", got "{text}"', Exit.USAGE) from None
    if size is not None and size < 2**20:
        raise Failure(f'{option}: {text} means {size} bytes: expected a size such as "16GiB"', Exit.USAGE)
    return size


def _node(cpus: int | None, memory: str | None) -> Node | None:
    if cpus is None and memory is None:
        return None
    from fleet.export.node import Node

    return Node(cpus, _size("--node-memory", memory))


def _questions(*, ask_app: bool, ask_broker: bool, ask_measured: bool, node: Node | None) -> Questions | None:
    if not (ask_app or ask_broker or ask_measured or node):
        return None
    from fleet.cli.file.probes import Questions
    from fleet.cli.running.evidence import Measured
    from fleet.cli.running.run_times import run_times

    measured = Measured() if ask_measured else None
    return Questions(app=ask_app, broker=ask_broker, measured=measured, node=node, run_times=run_times)


def _fix(source: Source, check: _Check, *, unsafe: bool, is_stdin: bool) -> Loaded:
    from fleet.cli.file import fixing
    from fleet.cli.guard import write_exactly

    fixed = fixing.mended(source, check, unsafe=unsafe)
    if is_stdin:
        write_exactly(fixed.text)
    elif fixed.text != source.text:
        fixing.write(source, fixed.text)
    click.echo(f"{source.name}: {fixing.summary(fixed)}", err=True)
    return fixed.left


def _show_diff(source: Source, check: _Check, *, unsafe: bool, strict: bool) -> int:
    from fleet.cli.file import fixing
    from fleet.cli.guard import write_exactly

    fixed = fixing.mended(source, check, unsafe=unsafe)
    change = fixing.diff(source, fixed.text)
    write_exactly(change)
    click.echo(f"{source.name}: {fixing.summary(fixed).replace('fixed', 'would fix', 1)}", err=True)
    return Exit.FINDINGS if change else _verdict(fixed.left, strict)


def _verdict(loaded: Loaded, strict: bool) -> int:
    fails = any(each.severity in failing(strict) for each in loaded.diagnostics)
    return Exit.FINDINGS if fails else Exit.OK
