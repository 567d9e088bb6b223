"""Findings in the format that was asked for, where they were asked for."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure

if TYPE_CHECKING:
    from fleet.config.load import Loaded
    from fleet.diagnostics import Severity

_RENDERERS = {
    "concise": "fleet.diagnostics.concise",
    "json": "fleet.diagnostics.jsonform",
    "github": "fleet.diagnostics.github",
    "gitlab": "fleet.diagnostics.gitlab",
    "sarif": "fleet.diagnostics.sarif",
    "junit": "fleet.diagnostics.junit",
}
FORMATS = ("text", *_RENDERERS)
JOINABLE = ("text", "concise", "github")  # reports on several files one after the other are a report, too

# These put findings beside the lines of the repository, so they need names that start at its root.
_SHOWN_IN_REPOSITORY = ("github", "gitlab", "sarif")
_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")


def chosen_format(form: str | None, *, as_json: bool, output: Path | None) -> str:
    """What was named; else annotations where GitHub Actions reads along, else text."""
    if form:
        return form
    if as_json:
        return "json"
    reads_along = os.environ.get("GITHUB_ACTIONS") == "true" and not output and not sys.stdout.isatty()
    return "github" if reads_along else "text"


def failing(strict: bool) -> tuple[Severity, ...]:
    """Severities that fail a check."""
    return ("error", "warning") if strict else ("error",)


def report(loaded: Loaded, form: str, *, strict: bool, all_well: str, to_file: bool = False) -> str:
    """`all_well` is what a person reads when there is nothing to report."""
    found, source = loaded.diagnostics, loaded.source
    if form == "text":
        from fleet.cli.file.loading import as_text

        return as_text(loaded, None if to_file else sys.stdout) or f"{source.name}: {all_well}\n"
    renderer = importlib.import_module(_RENDERERS[form])
    name = in_repository(source.path, source.name) if form in _SHOWN_IN_REPOSITORY else source.name
    if form == "sarif":
        from fleet.rules import catalogue

        text = renderer.render(found, name, catalogue())
    elif form == "junit":
        text = renderer.render(found, name, failing(strict))
    else:
        text = renderer.render(found, name)
    return str(text)


def in_repository(path: Path, name: str) -> str:
    """The file's path from the root of its repository; `name` when it is in none."""
    roots = [Path(value) for key in _ROOTS if (value := os.environ.get(key))]
    roots += [folder for folder in path.parents if (folder / ".git").exists()][:1]
    for root in roots:
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return name


def deliver(text: str, output: Path | None, *, err: bool = False) -> None:
    """To standard output (`err`: standard error), or into the file of --output-file."""
    if output is None:
        click.echo(text, nl=False, err=err)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"can't write {output}: {error.strerror}", Exit.USAGE) from error
