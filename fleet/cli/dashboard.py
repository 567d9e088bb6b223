"""`fleet dashboard`: where the page is, with a link that lets in once; tokens for people and programs."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option, reason_of

if TYPE_CHECKING:
    from fleet.launch_specs import DashboardLaunch
    from fleet.statedir import StateDir

Function = TypeVar("Function", bound=Callable[..., Any])


def role_option(default: str, roles: tuple[str, ...]) -> Callable[[Function], Function]:
    return click.option(
        "--role",
        type=click.Choice(roles),
        default=default,
        show_default=True,
        help="What its bearer may do: look, act, or only read metrics."
        if "metrics" in roles
        else "What you may do there.",
    )


@click.group(
    invoke_without_command=True, short_help="The web page: its address and a login; `token` makes tokens."
)
@role_option("operator", ("viewer", "operator"))
@file_option
@env_option
@click.pass_context
def command(context: click.Context, *, role: str, file: Path | None, env: str | None) -> int:
    """Print where the web page is, with a link that lets you in once, within ten minutes.

    It runs where fleet.toml has [dashboard]. The link is as good as a password: it is for you. `token` makes what
    lasts: for other people, and for programs.
    """
    from fleet.dashboard.tokens import make_code

    if context.invoked_subcommand is not None:
        return Exit.OK
    launch, state = _running(file, env)
    name = _own_token(Path(launch.token_file), role)
    try:
        code = make_code(state.dashboard_logins, name)
    except OSError as error:
        raise Failure(f"no login could be made: {reason_of(error)}") from error
    click.echo(f"{_address(launch)}#login={code}")
    return Exit.OK


@command.command("token", short_help="Make a token, and show it.")
@click.argument("name", required=False)
@role_option("operator", ("viewer", "operator", "metrics"))
@file_option
@env_option
def token(*, name: str | None, role: str, file: Path | None, env: str | None) -> int:
    """Make a token and show it. NAME is whom the audit names; default: you. Deleting its line ends it.

    It is a line of [dashboard] token_file, or of `dashboard-tokens` in the state directory (mode 0600).
    """
    from fleet.dashboard.tokens import add_token

    launch, _ = _running(file, env)
    path = Path(launch.token_file)
    try:
        made = add_token(path, name or getpass.getuser(), role)
    except (OSError, ValueError) as error:
        raise Failure(str(error)) from error
    click.echo(made.secret)
    click.echo(f"a line of {path}: {made.name} {made.role}", err=True)
    return Exit.OK


def _running(file: Path | None, env: str | None) -> tuple[DashboardLaunch, StateDir]:
    """Raises Failure when there is no dashboard."""
    from fleet.cli.file.locate import locate
    from fleet.cli.running.api_client import status_if_answering
    from fleet.launch_specs import DashboardLaunch

    path, state = locate(file, env)
    status = status_if_answering(state)
    if status is None:
        raise Failure(f"no fleet runs by {path}: `fleet up` starts it", Exit.NOT_RUNNING)
    if (status.get("dashboard") or {}).get("state") in ("backoff", "failed"):
        raise Failure("the dashboard does not run: `fleet logs dashboard` says why")
    try:
        return DashboardLaunch.from_json(state.dashboard_file.read_text(encoding="utf-8")), state
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{path} has no [dashboard]: the table alone is enough") from error


def _own_token(path: Path, role: str) -> str:
    """The name on a token of that role that is this user's, made if need be. Raises Failure."""
    from fleet.dashboard.tokens import add_token, read_tokens

    user = getpass.getuser()
    names = {each.name: each.role for each in read_tokens(path)}
    for name in (user, f"{user}.{role}", f"{user}.{role}.{os.getpid()}"):
        if names.get(name) == role:
            return name
        if name not in names:
            try:
                return add_token(path, name, role).name
            except (OSError, ValueError) as error:
                raise Failure(f"no token could be made: {reason_of(error)}") from error
    raise Failure(f"{path} has no {role}'s line for {user}")


def _address(launch: DashboardLaunch) -> str:
    """For a browser on this machine, or one that asks by the first of `hosts`."""
    if launch.hosts:
        return f"https://{launch.hosts[0]}{launch.root_path}/"
    if launch.listen.startswith("unix:"):
        return f"{launch.root_path}/"
    host, _, port = launch.listen.rpartition(":")
    return f"http://{host if host not in ('', '0.0.0.0', '[::]') else 'localhost'}:{port}{launch.root_path}/"  # noqa: S104
