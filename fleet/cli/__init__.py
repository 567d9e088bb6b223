"""The `fleet` command: finds the verb, imports only its module, and turns every outcome into an exit code.

Importing this loads click and nothing else, so that `fleet status` and `fleet validate` feel instant.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from fleet.early_signals import end_at_once_as_process_1

end_at_once_as_process_1()  # before all that takes its time

import click  # noqa: E402

from fleet import __distribution__, __version__  # noqa: E402
from fleet.cli.exits import Exit  # noqa: E402
from fleet.cli.guard import guard_output  # noqa: E402

COMMANDS = {
    "init": "fleet.cli.init:command",
    "validate": "fleet.cli.validate:command",
    "explain": "fleet.cli.explain:command",
    "schema": "fleet.cli.schema:command",
    "up": "fleet.cli.up:command",
    "status": "fleet.cli.status:command",
    "top": "fleet.cli.top:command",
    "dashboard": "fleet.cli.dashboard:command",
    "metrics": "fleet.cli.metrics:command",
    "simulate": "fleet.cli.simulate:command",
    "bench": "fleet.cli.bench:command",
    "advise": "fleet.cli.advise:command",
    "plan": "fleet.cli.plan:command",
    "reload": "fleet.cli.reload:command",
    "restart": "fleet.cli.restart:command",
    "drain": "fleet.cli.drain:command",
    "pause": "fleet.cli.pause:command",
    "resume": "fleet.cli.resume:command",
    "scale": "fleet.cli.scale:command",
    "logs": "fleet.cli.logs:command",
    "send": "fleet.cli.send:command",
    "route": "fleet.cli.route:command",
    "dead": "fleet.cli.dead:command",
    "delayed": "fleet.cli.delayed:command",
    "schedule": "fleet.cli.schedule:command",
    "down": "fleet.cli.down:command",
    "worker": "fleet.cli.worker:command",
    "view": "fleet.cli.view:command",
    "export": "fleet.cli.export:command",
    "completion": "fleet.cli.completion:command",
}


class Verbs(click.Group):
    """Commands by name, each imported when it is used; listed in the order of COMMANDS."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name in ("-A", "--app"):
                from fleet.cli.foreign_verbs import of_celery

                ctx.fail(of_celery(typed))
            if (name := error.option_name) not in ("-f", "--file", "--env", "--json"):
                raise
            example = {"--env": " NAME", "--json": ""}.get(name, " FILE")
            ctx.fail(f"{name} goes behind the command, as in `fleet status {name}{example}`")

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if _is_there(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if not _is_there(cmd_name):
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and not _is_there(name):
            ctx.fail(f"no command {name!r}{self._instead(ctx, name)}")
        return super().resolve_command(ctx, args)

    def _instead(self, ctx: click.Context, name: str) -> str:
        from difflib import get_close_matches

        from fleet.cli.foreign_verbs import ANSWERS

        if answer := ANSWERS.get(name.lower()):
            return f": {answer}"
        near = get_close_matches(name, self.list_commands(ctx), n=1)
        return f"; did you mean `fleet {near[0]}`?" if near else "; `fleet --help` lists them"


def _is_there(name: str) -> bool:
    home = COMMANDS.get(name, "").partition(":")[0]
    return bool(home) and importlib.util.find_spec(home) is not None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="fleet", message=f"%(prog)s %(version)s ({__distribution__})")
def root() -> None:
    """Declare your workers in fleet.toml; fleet makes it true and keeps it true."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console entry. Always ends in SystemExit; a traceback is shown only for our own mistakes."""
    if sys.platform == "win32":
        sys.exit("fleet needs Linux or macOS (on Windows: WSL).")
    if arguments is not None:
        sys.exit(_run(arguments))
    # The process is ours. Imports allocate much and free nothing: looking for garbage then, and once more at
    # the end, takes a tenth of a short command.
    gc.set_threshold(50_000)
    guard_output()
    code = _run(arguments)
    gc.freeze()
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        outcome = root.main(arguments, prog_name="fleet", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as problem:
        from fleet.cli.options import Failure, show_usage_error

        problem.show() if isinstance(problem, Failure) else show_usage_error(problem)
        return problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has gone: not a mistake, and Python must not complain at its own flush either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception:  # the last line of defence
        _report_bug()
        return Exit.INTERNAL
    return outcome if isinstance(outcome, int) else Exit.OK


def _report_bug() -> None:
    import traceback

    click.echo(traceback.format_exc(), err=True)
    click.echo(
        f"fleet {__version__} on Python {sys.version.split()[0]}: this is a bug in fleet, not your mistake.\n"
        "Please report it with the lines above.",
        err=True,
    )
