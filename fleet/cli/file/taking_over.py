"""`fleet init --from`: reads the files or the command, writes fleet.toml, tells what could not be taken over."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure

if TYPE_CHECKING:
    from fleet.takeover.found import FileReading
    from fleet.takeover.taken_over import TakenOver


def run(words: Sequence[str], folder: Path) -> int:
    """`words` are files, `-`, or one command line. Raises Failure."""
    from fleet.takeover.taken_over import take_over

    target = folder / "fleet.toml"
    if target.exists():
        raise Failure(f"already there: {target}; nothing was written", Exit.FINDINGS)
    result = take_over(_readings(words), _origin(words), folder.resolve())
    if result.text is None:
        _tell(result)
        raise Failure("no `celery worker` in there; nothing was written", Exit.FINDINGS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.write_text(result.text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"can't write {target}: {error.strerror}", Exit.FINDINGS) from error
    click.echo(f"Wrote {target}: {', '.join(f'[workers.{name}]' for name in result.groups)}.")
    _tell(result)
    mistakes = _mistakes(target, result.broker_variable)
    if mistakes:
        click.echo(f"\nTo decide, as `fleet validate` has it:\n{mistakes}", nl=False)
    click.echo("\nNext: fleet validate --app, then stop the Celery workers, then fleet up")
    return Exit.FINDINGS if result.left or mistakes else Exit.OK


def _origin(words: Sequence[str]) -> str:
    """For the file's head: names of files, but no command, which may hold a password."""
    files = [word for word in words if Path(word).is_file()]
    return (
        ", ".join(Path(word).name for word in files)
        if len(files) == len(words)
        else "a command line or standard input"
    )


def _readings(words: Sequence[str]) -> list[FileReading]:
    from fleet.takeover import shell_scripts
    from fleet.takeover.celery_words import is_celery

    paths = [Path(word) for word in words]
    if words and all(word == "-" or path.is_file() for word, path in zip(words, paths, strict=True)):
        # A unit's file of variables that is named beside it is a part of the unit, and no second one.
        names = {name for path in paths for name in _environment_names(path)}
        beside = {path.name: path for path in paths if path.name in names}
        return [_of_file(path, beside) for path in paths if path not in beside.values()]
    command = words[0] if len(words) == 1 else shlex.join(words)
    try:
        is_command = any(is_celery(word) for word in shlex.split(command))
    except ValueError as error:
        raise Failure(f"can't be read as a command: {error}", Exit.USAGE) from error
    if not is_command:
        missing = next((word for word, path in zip(words, paths, strict=True) if not path.is_file()), "")
        expected = "expected a file, - or a command such as celery -A proj worker -c 4"
        raise Failure(f"--from: {expected}; there is no file {missing!r}", Exit.USAGE)
    return [shell_scripts.shell(command, "command line", {})]


def _environment_names(path: Path) -> list[str]:
    """The names of the EnvironmentFiles of a unit."""
    from fleet.takeover import file_kinds, ini_files

    if path.suffix != ".service":
        return []
    try:
        return [Path(each).name for each in ini_files.environment_files(file_kinds.content(path))]
    except (OSError, ValueError):
        return []  # told where it is read


def _of_file(path: Path, beside: Mapping[str, Path]) -> FileReading:
    from fleet.takeover import file_kinds, ini_files, manifests

    try:
        text = sys.stdin.read() if path == Path("-") else file_kinds.content(path)
        named = ini_files.environment_files(text) if path.suffix == ".service" else []
        variables: dict[str, str] = {}
        for each in named:
            # Where the unit has it, or, with a copy of both on this machine, beside the unit.
            variables |= file_kinds.environment_of(path.parent / Path(each).name) | file_kinds.environment_of(
                Path(each)
            )
            if (given := beside.get(Path(each).name)) is not None:
                variables |= file_kinds.environment_of(given)
        reading = file_kinds.read(text, "standard input" if path == Path("-") else path.name, variables)
    except manifests.NoYamlError:
        raise Failure(
            f"{path} is YAML: `pip install pyyaml` where fleet is, and again", Exit.FINDINGS
        ) from None
    except OSError as error:
        raise Failure(f"can't read {path}: {error.strerror}", Exit.USAGE) from error
    except ValueError as error:
        raise Failure(f"can't read {path}: {error}", Exit.USAGE) from error
    return reading


def _tell(result: TakenOver) -> None:
    if result.left:
        click.echo("\nNot taken over:")
        for left in dict.fromkeys(result.left):
            click.echo(f"  {left.where}: {_without_password(left.what)}: {left.why}")
    if result.notes:
        click.echo("\nTo know:")
        for note in dict.fromkeys(result.notes):
            click.echo(f"  {note}")


def _without_password(text: str) -> str:
    from fleet.takeover.written_toml import one_line

    return one_line(text)


def _mistakes(path: Path, broker_variable: str) -> str:
    """Errors of the file as it was written; `broker_variable` may be set later."""
    from fleet.config import load
    from fleet.config.source import read_source
    from fleet.diagnostics.concise import render

    assumed = {broker_variable: "amqp://localhost//"} if broker_variable else {}
    loaded = load.check(read_source(path), environ=assumed | os.environ)
    return render([each for each in loaded.diagnostics if each.severity == "error"], str(path))
