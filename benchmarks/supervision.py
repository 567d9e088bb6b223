"""How fast and how lean fleet keeps workers running, beside supervisord, circus and `celery multi`.

`python -m benchmarks.supervision [PART…] [--quick] [--write]`, with fleet's own Python. All sides in turn, A B C D A B
…, with a Redis of the run's own; the peers in a venv of their own (.cache/supervisors), made once. PART: respawn, up,
roll, reload, idle0, idle50, idle200, each a few minutes; default: all. What a part gave is kept in .cache, so that the
table can be measured bit by bit. --quick: fewer rounds and workers (and idle8), to see that it works. --write: the
table, of whatever has been measured, into docs/supervision.md.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import fleet
from benchmarks.processes import compile_bytecode
from benchmarks.supervisors import peers_venv
from benchmarks.supervisors.processes import redis_server
from benchmarks.supervisors.rows import Run, measured, parts, table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "supervision.md"
BEGIN, END = "<!-- figures: benchmarks/supervision.py --write -->", "<!-- /figures -->"

Kept = dict[str, dict[str, Any]]


def main(arguments: list[str]) -> None:
    quick, write = "--quick" in arguments, "--write" in arguments
    known = parts(quick=quick)
    wanted = [each for each in arguments if not each.startswith("--")] or list(known)
    if strange := set(wanted) - known.keys():
        sys.exit(f"no such part: {', '.join(sorted(strange))}; there are: {', '.join(known)}")
    kept_in = ROOT / ".cache" / f"supervision{'-quick' if quick else ''}.json"
    kept: Kept = json.loads(kept_in.read_text()) if kept_in.exists() else {}
    peers_venv.make()
    compile_bytecode()
    with tempfile.TemporaryDirectory(prefix="fs-", dir="/tmp") as temporary:
        folder = Path(temporary)
        with redis_server(folder) as broker:
            for name in wanted:
                print(f"{name}:", file=sys.stderr, flush=True)
                kept[name] = measured(known[name], Run(folder, broker, quick))
                kept_in.write_text(json.dumps(kept, indent=1))
    text = report({name: kept[name] for name in known if name in kept}, quick=quick)
    print(text)
    if write:
        page = PAGE.read_text()
        before, rest = page.split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def report(kept: Kept, *, quick: bool) -> str:
    versions = ", ".join(f"{name} {peers_venv.version(name)}" for name in ("supervisor", "circus", "celery"))
    load = max(part["load"] for part in kept.values())
    said = (
        f"fleet {fleet.__version__}, {versions}, Python {platform.python_version()}, {os.cpu_count()} CPUs, "
        f"load before a part at most {load:.1f}; {'`--quick`; ' if quick else ''}median (worst)"
    )
    return f"{said}\n\n{table(list(chain.from_iterable(part['rows'] for part in kept.values())))}"


if __name__ == "__main__":
    main(sys.argv[1:])
