"""`fleet init`: a fleet.toml and a tasks.py that run as they are, or what runs Celery today as a fleet.toml."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure

TEMPLATES = Path(__file__).parent / "templates"

_GREEN = """\
pool = "gevent"                 # green threads: hundreds may wait at once in one process
concurrency = 200"""
# fleet init's own task is a plain function: with `async def` tasks it is pool = "asyncio", which needs nothing more.
_THREADS = """\
pool = "threads"                # with `pip install 'fleet-workers[gevent]'`: pool = "gevent", concurrency = 200
concurrency = 20"""


# --from takes all words behind it, among them options of Celery: click hands on what it does not know.
@click.command(
    short_help="Write a fleet.toml, new or from what runs Celery.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option(
    "--from",
    "takes_over",
    is_flag=True,
    help="Read what runs Celery today: all words behind it are files, -, or one `celery worker` command.",
)
@click.argument("words", metavar="[DIR] [--from FILE|COMMAND...]", nargs=-1, type=click.UNPROCESSED)
def command(*, takes_over: bool, words: tuple[str, ...]) -> int:
    """Write a commented fleet.toml and a tasks.py that run as they are.

    They come into DIR (default: here), with the JSON Schema by which an editor completes fleet.toml.
    Nothing that is there already is overwritten.

    With --from, only fleet.toml, made from what runs Celery workers today: a supervisord conf, a systemd unit, a
    Procfile, a compose file, Kubernetes manifests, a shell script, an env file of `celery multi`, a crontab, or the
    command itself. What could not be taken over is told, with the reason; exit code 1 then. No password is written.
    """
    folder, taken = _folder_and_words(takes_over, words)
    if taken is None:
        return _new(folder)
    from fleet.cli.file.taking_over import run

    return run(taken, folder)


def _folder_and_words(takes_over: bool, words: tuple[str, ...]) -> tuple[Path, tuple[str, ...] | None]:
    """DIR, and what --from takes, None without it. Raises click.UsageError."""
    if not takes_over and "--from" in words[:2]:
        at = words.index("--from")
        folder, words, takes_over = words[:at], words[at + 1 :], True
    elif takes_over:
        folder = ()
    else:
        folder, words = words, ()
    if len(folder) > 1 or any(word.startswith("-") for word in folder):
        raise click.UsageError(f"expected one DIR, got {' '.join(folder)}")
    if takes_over and not words:
        raise click.UsageError("--from: expected a file, - or a command such as celery -A proj worker -c 4")
    return Path(*folder), words if takes_over else None


def _new(folder: Path) -> int:
    files = _contents()
    present = [name for name in files if (folder / name).exists()]
    if present:
        raise Failure(f"already there: {', '.join(present)}; nothing was written", Exit.FINDINGS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"can't write into {folder}: {error.strerror}", Exit.FINDINGS) from error
    click.echo(_next_steps(folder, list(files)))
    return Exit.OK


def _contents() -> dict[str, str]:
    import json

    from fleet.config.schema import json_schema

    pool = _GREEN if find_spec("gevent") else _THREADS
    return {
        "fleet.toml": _template("fleet.toml").replace("@POOL@", pool),
        "tasks.py": _template("tasks.py.txt"),
        "fleet.schema.json": json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n",
    }


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _next_steps(folder: Path, names: list[str]) -> str:
    go = "" if folder == Path() else f"  cd {folder}\n"
    return (
        f"Wrote {', '.join(names)}.\n\n{go}"
        "  fleet up                                   # run it; Ctrl-C drains and stops\n"
        "  fleet send tasks.fetch https://python.org  # in another terminal\n"
        "  fleet status\n"
        "  fleet bench tasks.fetch --args '[\"https://python.org\"]'   # which pool suits it, how many at once\n"
        "  fleet advise                               # the same, from what has run"
    )
