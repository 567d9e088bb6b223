"""`fleet completion`: the script by which a shell completes commands and options, printed or installed."""

from __future__ import annotations

import os
from pathlib import Path

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure

VARIABLE = "_FLEET_COMPLETE"


@click.command(short_help="Let bash, zsh or fish complete fleet's commands and options.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option(
    "--install", is_flag=True, help="Write it to where this shell looks for it, in your home folder."
)
def command(*, shell: str, install: bool) -> int:
    """Print the completion script for a shell, or --install it.

    In a session: `source <(fleet completion bash)`, the same for zsh, `fleet completion fish | source`.
    """
    script = _script(shell)
    if not install:
        click.echo(script)
        return Exit.OK
    file = _place(shell)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script + "\n", encoding="utf-8")
    except OSError as error:
        raise Failure(
            f"can't write {file}: {error.strerror}; `fleet completion {shell}` prints it for another place",
            Exit.FINDINGS,
        ) from error
    click.echo(f"{file} written; {_then(shell, file)}", err=True)
    return Exit.OK


def _script(shell: str) -> str:
    from click.shell_completion import get_completion_class

    from fleet.cli import root

    kind = get_completion_class(shell)
    assert kind is not None
    completion = kind(root, {}, "fleet", VARIABLE)
    # Not source(): for bash that runs the bash on the PATH, to see how old it is.
    return completion.source_template % completion.source_vars()


def _place(shell: str) -> Path:
    """Where the shell, or its usual completion package, looks for scripts by the command's name."""
    if shell == "fish":
        return _folder("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / "fleet.fish"
    if shell == "zsh":
        return _folder("XDG_DATA_HOME", ".local/share") / "zsh" / "site-functions" / "_fleet"
    own = os.environ.get("BASH_COMPLETION_USER_DIR")
    base = Path(own) if own else _folder("XDG_DATA_HOME", ".local/share") / "bash-completion"
    return base / "completions" / "fleet"


def _folder(variable: str, otherwise: str) -> Path:
    stated = os.environ.get(variable, "")
    return Path(stated) if stated.startswith("/") else Path.home() / otherwise


def _then(shell: str, file: Path) -> str:
    if shell == "zsh":
        return f"in ~/.zshrc, before compinit: fpath=({file.parent} $fpath); then open a new shell"
    if shell == "bash":
        return "open a new shell (it needs the package bash-completion)"
    return "open a new shell"
