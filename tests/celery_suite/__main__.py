"""Celery's own integration suite with `fleet up` in place of `celery worker`: `python -m tests.celery_suite fleet`.

Its tests are fetched for exactly the installed Celery and kept below .celery-suite/. What passes with a `celery
worker` in another process (`outcomes/celery.json`, of prefork on Redis; made by `celery --write`) must pass with fleet.
All of it takes twenty minutes, mostly sleeping. Exit codes: 0 so it is, 1 something is lost, 3 it can't be fetched.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.celery_suite.fetch import CantFetch, fetch
from tests.celery_suite.run import Suite, lost, run

EXPECTED = Path(__file__).parent / "outcomes" / "celery.json"


def main() -> int:
    given = _arguments()
    try:
        tests = fetch()
    except CantFetch as error:
        print(f"Celery's tests can't be fetched: {error}", file=sys.stderr)
        return 3
    folder = Path(given.out or tempfile.mkdtemp(prefix="celery-suite-", dir="/tmp"))
    folder.mkdir(parents=True, exist_ok=True)
    suite = Suite(
        *(given.kind, given.pool, given.concurrency, given.amqp, tuple(given.select), given.keyword),
        seconds=given.timeout,
    )
    outcomes = run(suite, tests, folder)
    counts = Counter(outcome for outcome, _ in outcomes.values())
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "no test ran")
    for name, (outcome, why) in sorted(outcomes.items()):
        if outcome == "failed":
            print(f"  failed: {name}: {why}")
    print(f"logs in {folder}")
    if given.write:
        kept = {name: outcome for name, (outcome, _) in sorted(outcomes.items())}
        text = json.dumps({"celery": importlib.metadata.version("celery"), "outcomes": kept}, indent=1)
        EXPECTED.write_text(text + "\n")
    complete = not (given.select or given.keyword)
    losses = lost(outcomes, json.loads(EXPECTED.read_text())["outcomes"], complete=complete)
    for each in losses:
        print(f"LOST {each}")
    return 1 if losses or not outcomes else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.celery_suite", description=__doc__)
    parser.add_argument("kind", choices=["fleet", "celery"])
    parser.add_argument("--pool", default="prefork")
    parser.add_argument("--concurrency", type=int, default=1, help="what the suite's sleeps are made for (1)")
    parser.add_argument(
        "--amqp", default="", metavar="URL", help="tasks go by this RabbitMQ instead of Redis"
    )
    parser.add_argument("--select", nargs="*", default=[], metavar="FILE[::TEST]")
    parser.add_argument("-k", dest="keyword", default="", help="as pytest's")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for one test")
    parser.add_argument("--out", default="", help="a folder for logs")
    parser.add_argument("--write", action="store_true", help="keep the outcomes as those of `celery worker`")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
