"""fleet, its peers and the raw clients in turn; a table of medians and ratios.

    python -m benchmarks [--quick] [--rounds 3] [--only throughput --only io …] [--match WORD …] [--out FILE] [--resume]
    python -m benchmarks compare OLD.json NEW.json     ratios of two results files
    python -m benchmarks page RESULTS.json             write the tables and charts of docs/performance.md

Each measurement is saved at once. --resume goes on with a file: after Ctrl-C, or in parts by --only.
--quick: one short round of the most telling contenders, under five minutes; a smoke test, no measurement.
All of them live in one venv, .cache/peers, made at the first run from benchmarks/libraries/requirements.txt.
Needs redis-server on the PATH for Redis and a RabbitMQ; what is not there is left out.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import page, peers, tables
from benchmarks.brokers import Brokers
from benchmarks.comparison import compare
from benchmarks.processes import compile_bytecode
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS
from benchmarks.session import Session, left, steps, why_not_one_table

RABBITMQ = "amqp://guest:guest@127.0.0.1:5672//"


def main(arguments: Sequence[str]) -> int:
    match arguments:
        case ["compare", old, new]:
            print(compare(Results.read(Path(old)), Results.read(Path(new))))
            return 0
        case ["page", results]:
            for line in page.write(Results.read(Path(results))):
                print(line, file=sys.stderr)
            return 0
        case ["compare" | "page", *_]:
            print(__doc__, file=sys.stderr)
            return 2
    options = _parser().parse_args(arguments)
    peers.make()
    compile_bytecode()
    # As Ctrl-C: what runs is ended, and what was measured is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test, no measurement")
    parser.add_argument("--rounds", type=int, help="default 3, with --quick 1")
    parser.add_argument("--only", action="append", choices=sorted(SCENARIOS), help="these scenarios")
    parser.add_argument(
        "--match", action="append", metavar="WORD", help="only contenders with one of these in `broker: name`"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks.json"), help="default benchmarks.json")
    parser.add_argument("--resume", action="store_true", help="measure what FILE does not have yet")
    parser.add_argument("--rabbitmq", default=RABBITMQ, metavar="URL")
    return parser


def run(options: argparse.Namespace) -> int:
    """1 when one of them could not be measured, 130 after Ctrl-C, 2 when nothing can be continued."""
    rounds = options.rounds or (1 if options.quick else 3)
    with (
        tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder,
        Brokers(Path(folder), options.rabbitmq) as brokers,
    ):
        found = Results.of_this_machine(brokers.versions(), quick=options.quick)
        if options.resume and options.out.exists():
            before = Results.read(options.out)
            if reason := why_not_one_table(before, found):
                print(f"{options.out} is of another run ({reason}): choose another --out", file=sys.stderr)
                return 2
            found = before
        chosen = [SCENARIOS[name] for name in options.only or SCENARIOS]
        planned = steps(
            chosen, rounds, quick=options.quick, match=options.match or (), brokers=tuple(brokers.urls)
        )
        session = Session(brokers, found, options.out, options.quick)
        try:
            for scenario in session.take(left(planned, found)):
                print(f"\n{tables.of_scenario(found, scenario.name)}\n", flush=True)
        except KeyboardInterrupt:
            print(f"\nbroken off; {options.out} has what was measured, --resume goes on", file=sys.stderr)
            return 130
    return 1 if session.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
