"""How long `fleet validate` takes as a whole process, beside tools that people run as often.

`python benchmarks/validate.py [ROUNDS]`, with fleet's own Python. All commands in turn, ROUNDS times (default
15), bytecode compiled before; medians. Celery lives in a venv of its own, .cache/celery, made once.
"""

from __future__ import annotations

import compileall
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import fleet

ROOT = Path(__file__).resolve().parent.parent
CELERY = "celery==5.5.3"

GROUP = """\
[queues.q{n}]
workload = "io"
max_priority = 5

[[routes]]
task = "shop.tasks.t{n}.*"
queue = "q{n}"

[workers.w{n}]
queues = ["q{n}"]
pool = "gevent"
concurrency = 200
time_limit = "60s"
grace_period = "70s"
soft_time_limit = "50s"
max_memory = "512MiB"

"""
MISTAKES = {"concurrency = 200": 'concurency = "200"', '"50s"': '"50 secs"'}


def fleet_file(folder: Path, lines: int, *, wrong: bool = False) -> Path:
    """A fleet of at least `lines` lines: everything right, or two lines wrong in every group."""
    text = '[fleet]\napp = "shop.tasks"\n\n'
    number = 0
    while text.count("\n") < lines:
        text += GROUP.format(n=number)
        number += 1
    for right, mistake in MISTAKES.items() if wrong else ():
        text = text.replace(right, mistake)
    path = folder / f"{lines}{'-wrong' if wrong else ''}.toml"
    path.write_text(text)
    return path


def python_file(folder: Path) -> Path:
    path = folder / "hundred.py"
    path.write_text("".join(f"def f{n}(x: int) -> int:\n    return x + {n}\n\n\n" for n in range(25)))
    return path


def celery() -> Path:
    """Its program, in a venv that has nothing else."""
    home = ROOT / ".cache" / "celery"
    program = home / "bin" / "celery"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", CELERY], check=True)
    return program


def commands(folder: Path) -> dict[str, list[str | Path]]:
    here = Path(sys.executable).parent
    validate = [here / "fleet", "validate", "--cpus", "8"]
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import click, pydantic": [sys.executable, "-c", "import click, pydantic; pydantic.BaseModel"],
        "fleet --help": [here / "fleet", "--help"],
        "fleet validate, 100 lines": [*validate, fleet_file(folder, 100)],
        "fleet validate, 5,000 lines": [*validate, fleet_file(folder, 5000)],
        "fleet validate, 5,000 lines, 588 findings": [*validate, fleet_file(folder, 5000, wrong=True)],
        "ruff check, 100 lines": [here / "ruff", "check", "--no-cache", "--isolated", python_file(folder)],
        "celery --help": [celery(), "--help"],
    }


def milliseconds(command: list[str | Path]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as temporary:
        chosen = commands(Path(temporary))
        for folder in (Path(fleet.__file__).parent, *(ROOT / ".cache" / "celery" / "lib").glob("python*")):
            compileall.compile_dir(folder, quiet=2)
        for folder in {path for path in sys.path if path.endswith("site-packages")}:
            compileall.compile_dir(folder, quiet=2)
        taken: dict[str, list[float]] = {name: [] for name in chosen}
        for _ in range(rounds):
            for name, command in chosen.items():
                taken[name].append(milliseconds(command))
    print(
        f"fleet {fleet.__version__}, ruff {version('ruff')}, {CELERY}, pydantic {version('pydantic')}, "
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; "
        f"ms, median (least) of {rounds}\n"
    )
    for name, times in taken.items():
        print(f"{name:44} {statistics.median(times):6.0f} ({min(times):.0f})")


if __name__ == "__main__":
    main()
