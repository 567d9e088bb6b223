"""`fleet init`: a fleet.toml and a tasks.py that run as they are."""

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
_THREADS = """\
pool = "threads"                # with `pip install 'fleet[gevent]'`: pool = "gevent", concurrency = 200
concurrency = 20"""


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def command(*, folder: Path) -> int:
    """Write a commented fleet.toml and a tasks.py that run as they are.

    They come into DIR (default: here), with the JSON Schema by which an editor completes fleet.toml.
    Nothing that is there already is overwritten.
    """
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
        "  fleet status"
    )
