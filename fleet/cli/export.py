"""`fleet export`: the files that another engine needs to run this fleet."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option

if TYPE_CHECKING:
    from fleet.config.load import Loaded
    from fleet.config.model import Fleet
    from fleet.export.facts import Facts, Options
    from fleet.rules.finding import Finding

Function = TypeVar("Function", bound=Callable[..., Any])

_STALE = 2


class WriteOptions(NamedTuple):
    """What to do with the files."""

    file: Path | None
    output: Path | None
    check: bool
    strict: bool


@click.group(short_help="Write what Kubernetes, Compose or systemd need.")
def command() -> None:
    """Files for other engines, made from fleet.toml.

    The same file gives the same bytes, and never the value of a secret. What an engine has no word for is shown with
    its line in fleet.toml.
    """


def common(function: Function) -> Function:
    """-o, --check, --strict, -f, --env: what every target takes. `delivery` holds all but the last."""
    for option in (
        env_option,
        file_option,
        click.option("--strict", is_flag=True, help="Exit 1 when something can't be expressed."),
        click.option(
            "--check", is_flag=True, help="Write nothing; exit 2 when DIR is not what would be written."
        ),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            help="Write the files there; without it they are printed.",
        ),
    ):
        function = option(function)
    return function


def of_images(function: Function) -> Function:
    """--image, --memory."""
    image = click.option(
        "--image", default="IMAGE", metavar="NAME", help="The image that has the app and fleet."
    )
    memory = click.option("--memory", metavar="SIZE", help='For groups without max_memory, such as "512MiB".')
    return image(memory(function))


@command.command("kubernetes", short_help="A kustomize base: `kubectl apply -k DIR`.")
@click.option(
    "--scaler",
    type=click.Choice(["view", "broker", "none"]),
    default="view",
    show_default=True,
    help="What KEDA asks how many workers: `fleet view`, the queues' length, nobody.",
)
@click.option(
    "--schedules",
    type=click.Choice(["view", "cronjob", "none"]),
    default="view",
    show_default=True,
    help="What sends by the clock: `fleet view`, a CronJob for each of [[schedules]], nothing.",
)
@of_images
@common
def kubernetes(
    *, scaler: str, schedules: str, image: str, memory: str | None, env: str | None, **delivery: Any
) -> int:
    """A kustomize base with a Deployment for each group, to be applied with `kubectl apply -k DIR`.

    Groups that scale get a ScaledObject for KEDA. secret.example.yaml lists what is secret, without values.
    """
    options = {"image": image, "env": env, "memory": _size(memory), "scaler": scaler, "schedules": schedules}
    return _export("kubernetes", WriteOptions(**delivery), **options)


@command.command("compose", short_help="A compose.yaml for Docker Compose and Swarm.")
@of_images
@common
def compose(*, image: str, memory: str | None, env: str | None, **delivery: Any) -> int:
    """A compose.yaml with a service for each group, for Docker Compose, and for Swarm as a stack."""
    return _export("compose", WriteOptions(**delivery), image=image, env=env, memory=_size(memory))


@command.command("systemd", short_help="systemd units without `fleet up`.")
@common
def systemd(*, env: str | None, **delivery: Any) -> int:
    """A unit for each group with an instance per worker, for a host without `fleet up`."""
    return _export("systemd", WriteOptions(**delivery), env=env)


@command.command("dockerfile", short_help="A Dockerfile for an image with the app and fleet.")
@common
def dockerfile(*, env: str | None, **delivery: Any) -> int:
    """A Dockerfile and a .dockerignore for an image that any group's worker runs from."""
    return _export("dockerfile", WriteOptions(**delivery), env=env)


@command.command("grafana", short_help="A dashboard for Grafana, each queue with its threshold.")
@common
def grafana(*, env: str | None, **delivery: Any) -> int:
    """A dashboard to import into Grafana. The line of a queue is its alert_wait, else its group's target_latency."""
    return _export("grafana", WriteOptions(**delivery), env=env)


@command.command("alerts", short_help="Alert rules for Prometheus, each queue with its threshold.")
@common
def alerts(*, env: str | None, **delivery: Any) -> int:
    """Rules for Prometheus: broker down, too few workers, crash loops, messages that wait, dead letters, failures."""
    return _export("alerts", WriteOptions(**delivery), env=env)


def _export(target: str, delivery: WriteOptions, **options: Any) -> int:
    from fleet.cli.file.loading import show
    from fleet.export.facts import Options

    if delivery.check and delivery.output is None:
        raise Failure("--check compares with the files in a folder: name it with -o DIR", Exit.USAGE)
    loaded, files = _made(target, delivery.file, Options(**options))
    show(loaded)
    if not files:
        raise Failure(f"{loaded.source.path} has errors, so nothing was written", Exit.FINDINGS)
    if delivery.check and delivery.output is not None:
        return _compare(files, delivery.output)
    if delivery.output is None:
        click.echo(_printed(files), nl=False)
    else:
        _write(files, delivery.output)
        click.echo(f"{len(files)} files in {delivery.output}: {', '.join(files)}", err=True)
    unsaid = any(each.severity != "info" for each in loaded.diagnostics)
    return Exit.FINDINGS if delivery.strict and unsaid else Exit.OK


def _made(target: str, file: Path | None, options: Options) -> tuple[Loaded, Mapping[str, str]]:
    """The file with all that can't be said, and the files. Raises Failure."""
    from fleet.cli.file.exported import examined
    from fleet.rules.exporting import not_exportable

    files: dict[str, str] = {}
    make = importlib.import_module(f"fleet.export.{target}").files

    def judge(fleet: Fleet, facts: Facts) -> Iterator[Finding]:
        made, problems = make(facts)
        if not (facts.has_secrets and "fleet.toml" in made):
            files.update(made)
        for problem in problems:
            yield from not_exportable(fleet, problem)

    return examined(file, options, judge)[0], files


def _size(text: str | None) -> int | None:
    """Raises Failure."""
    from fleet.config.units import parse_size

    try:
        return None if text is None else parse_size(text)
    except ValueError:
        raise Failure(f'--memory: expected a size such as "512MiB", got {text!r}', Exit.USAGE) from None


def _compare(files: Mapping[str, str], folder: Path) -> int:
    stale = [name for name, text in files.items() if _content(folder / name) != text]
    for name in stale:
        click.echo(f"{folder / name} {'differs' if (folder / name).exists() else 'is not there'}", err=True)
    if stale:
        click.echo("stale: the same command without --check writes them", err=True)
    return _STALE if stale else Exit.OK


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write(files: Mapping[str, str], folder: Path) -> None:
    """Raises Failure."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"can't write {folder}: {error.strerror}", Exit.FINDINGS) from error


def _printed(files: Mapping[str, str]) -> str:
    """One after the other, each below its name."""
    return "\n".join(f"# ---- {name}\n{text}" for name, text in files.items())
