"""Kill, cut, refuse and edit while messages are done; any broker, any pool, at any length. Prints a table."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.chaos import soak
from tests.chaos.brokers import BROKERS
from tests.chaos.celery_side import KINDS as KINDS_FOR_BOTH
from tests.chaos.fleet_side import CONCURRENCY
from tests.chaos.injection import INJECTIONS, run_with
from tests.chaos.messages import Work
from tests.chaos.mix import Mix, Say, celery_mix, run, run_celery
from tests.chaos.schedule import KINDS
from tests.chaos.setups import PLAIN, SETUPS, Setup
from tests.chaos.table import Row, table
from tests.chaos.verdict import Verdict


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended
    if options.soak:
        return _soak(options)
    if options.inject:
        return _run_injected(options)
    rows = _compare(options) if options.celery else _run_all(options)
    print(table(rows))
    return 0 if all(row.verdict.is_good for row in rows if row.who.startswith("fleet")) else 1


def _run_all(options: argparse.Namespace) -> list[Row]:
    if options.celery_app:
        return [
            _run("fleet, Celery app", celery_mix(_mix(options, broker, pool, options.kind)), run)
            for broker in options.broker
            for pool in options.pool
            if broker != "sqlite" and pool != "asyncio"
        ]
    return [
        _run("fleet", _mix(options, broker, pool, options.kind, setup), run)
        for broker in options.broker
        for setup in _setups(options, broker)
        for pool in options.pool
    ]


def _setups(options: argparse.Namespace, broker: str) -> list[Setup]:
    """Those that this broker has, and this machine."""
    wanted = [SETUPS[name] for name in options.setup if broker in SETUPS[name].brokers]
    for setup in wanted:
        if not setup.is_here:
            print(f"left out: {setup.name} needs {setup.program}", file=sys.stderr)
    return [setup for setup in wanted if setup.is_here]


def _compare(options: argparse.Namespace) -> list[Row]:
    """The same faults to fleet and to Celery, prefork 2, two workers each."""
    rows = []
    for broker in options.broker:
        if broker == "sqlite":
            continue
        mix = _mix(options, broker, "prefork", options.kind or KINDS_FOR_BOTH)
        mix = replace(mix, work=replace(mix.work, again_every=0, fail_every=0))
        rows.append(_run("fleet", mix, run))
        for reject in (False, True):
            name = "Celery, acks_late" + (", reject_on_worker_lost" if reject else "")
            rows.append(_run(name, mix, lambda *what, reject=reject: run_celery(*what, reject=reject)))
    return rows


def _run_injected(options: argparse.Namespace) -> int:
    """Whether the judge finds nine in ten of the bugs that are made on purpose."""
    good = True
    for broker in options.broker:
        for pool in options.pool:
            mix = _mix(options, broker, pool, options.kind)
            folder = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp")).resolve()
            found = run_with(
                options.inject, 0.01, mix, folder, lambda text: print(text, file=sys.stderr, flush=True)
            )
            print(
                f"{broker}, {pool}, {options.inject}: {len(found.made)} made, {len(found.missed)} not found: "
                f"{sorted(found.missed)} (in {folder})",
                flush=True,
            )
            good &= found.share >= 0.9
    return 0 if good else 1


def _run(who: str, mix: Mix, how: Callable[[Mix, Path, Say], Verdict]) -> Row:
    folder = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp")).resolve()
    print(f"{who} on {mix.broker}, {mix.pool}, in {folder}", file=sys.stderr)
    begun = time.monotonic()
    verdict = how(mix, folder, lambda text: print(text, file=sys.stderr, flush=True))
    print(f"{time.monotonic() - begun:.0f} s, {verdict.problems or 'good'}", file=sys.stderr, flush=True)
    for line in verdict.evidence:
        print(line, file=sys.stderr, flush=True)
    if verdict.is_good:
        shutil.rmtree(folder)
    return Row(who, mix, verdict)


def _soak(options: argparse.Namespace) -> int:
    good = True
    for broker in options.broker:
        for pool in options.pool:
            with tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as folder:
                report = soak.run(broker, pool, options.soak, options.rate, Path(folder).resolve())
            print(f"{broker}, {pool}\n{report.text()}", flush=True)
            good &= report.is_flat
    return 0 if good else 1


def _mix(
    options: argparse.Namespace,
    broker: str,
    pool: str,
    kinds: tuple[str, ...] | None,
    setup: Setup = PLAIN,
) -> Mix:
    work = Work(
        *(
            options.messages,
            options.seed,
            options.mean,
            options.rate,
            options.long_every,
            options.long_seconds,
        ),
        again_every=options.again_every,
        fail_every=options.fail_every,
    )
    seconds = (options.outage, options.outage) if options.outage else (0.3, 2.0)
    return Mix(broker, pool, work, options.faults, tuple(kinds or ()), options.prefetch, seconds, setup)


def _duration(text: str) -> float:
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    add = parser.add_argument
    add("--broker", nargs="+", choices=BROKERS, default=BROKERS)
    add("--pool", nargs="+", choices=tuple(CONCURRENCY), default=tuple(CONCURRENCY))
    add("--messages", type=int, default=20_000)
    add("--faults", type=int, default=40)
    add("--kind", nargs="+", choices=KINDS, help="only these faults")
    add("--setup", nargs="+", choices=tuple(SETUPS), default=("plain",), help="of the broker (plain)")
    add("--seed", type=int, default=1, help="decides messages and faults")
    add("--mean", type=float, default=0.005, help="seconds that a short task takes (0.005)")
    add("--long-every", type=int, default=100, help="one message in so many is long (100)")
    add("--long-seconds", type=float, default=1.5, help="seconds that a long task takes (1.5)")
    add("--again-every", type=int, default=40, help="one message in so many asks for a retry (40; 0: none)")
    add(
        "--fail-every",
        type=int,
        default=50,
        help="one message in so many becomes a dead letter (50; 0: none)",
    )
    add("--rate", type=float, default=150.0, help="messages a second, after the first half (150)")
    add("--prefetch", default="auto", type=lambda text: text if text == "auto" else int(text))
    add("--outage", type=_duration, help="such as 60s: how long what lasts, lasts: `freeze`, `full` …")
    add("--celery-app", action="store_true", help="the fleet runs a Celery app, and a Celery client sends")
    add("--celery", action="store_true", help="compare: the same faults to fleet and to Celery, prefork 2")
    add("--inject", choices=INJECTIONS, help="a bug on purpose in 1 %% of messages: does the judge find it?")
    add("--soak", type=_duration, help="such as 1h: work and now and then a fault, while memory is watched")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
