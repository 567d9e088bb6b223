"""The judge of `fleet bench` and `fleet advise`: their answers beside the right ones of tests/advice/workloads.

python -m tests.advice.judge [NAME…] [--only bench|advise] [-v]    all of them: about two minutes each
python -m tests.advice.judge --package mine.tasks NAME              a module of yours, of the same form
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.advice import asked
from tests.advice.asked import Answer, Workload

TOOLS = {"bench": asked.bench, "advise": asked.advise}
_WORKLOADS = Path(__file__).parent / "workloads"


def names() -> list[str]:
    return sorted(file.stem for file in _WORKLOADS.glob("*.py") if file.stem != "__init__")


def main(arguments: Sequence[str]) -> int:
    """1 where one of them is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.advice.judge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--only", choices=sorted(TOOLS))
    parser.add_argument("--package", default="tests.advice.workloads")
    parser.add_argument("-v", "--verbose", action="store_true", help="with what the tools went by")
    options = parser.parse_args(arguments)
    tools = [options.only] if options.only else list(TOOLS)
    print(_row("MODULE", "RIGHT", *(tool.upper() for tool in tools), "VERDICT"), flush=True)
    wrong = 0
    for name in options.names or names():
        workload = Workload.named(name, options.package)
        answers = {tool: _ask(tool, workload) for tool in tools}
        bad = [tool for tool, answer in answers.items() if not workload.is_right(answer)]
        wrong += bool(bad)
        verdict = f"wrong: {' and '.join(bad)}" if bad else "right"
        print(_row(name, workload.expected(), *map(str, answers.values()), verdict), flush=True)
        for tool, answer in answers.items() if options.verbose or bad else ():
            print(*(f"    {tool}: {line}" for line in answer.said), sep="\n", flush=True)
    return 1 if wrong else 0


def _ask(tool: str, workload: Workload) -> Answer:
    try:
        return TOOLS[tool](workload)
    except Exception:  # the others are asked all the same
        return Answer("", 0, said=tuple(traceback.format_exc().splitlines()))


def _row(*cells: str) -> str:
    widths = (22, 34, *[14] * (len(cells) - 3), 0)
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
