"""kombu's own tests on fleet's transports: `python -m tests.kombu_suite redis|sqlite|stock`.

kombu's tests are fetched for exactly the installed kombu (its source distribution has them, its wheel has not)
and are kept below .kombu-suite/; none of them is in this repository. What passes on kombu's Redis transport
(`outcomes/stock.json`, made by `stock --write`) must pass on ours, but for what `left_out.toml` lists with its
reason. Exit codes: 0 so it is, 1 something fails or is listed without need, 3 the tests can't be fetched.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from pathlib import Path

from tests.kombu_suite.fetch import CantFetch, fetch
from tests.kombu_suite.judge import LeftOut, judge, read_left_out
from tests.kombu_suite.run import run

HERE = Path(__file__).parent


def main() -> int:
    given = _arguments()
    try:
        suite = fetch()
    except CantFetch as error:
        print(f"kombu's tests can't be fetched: {error}", file=sys.stderr)
        return 3
    outcomes = run(suite, given.kind, select=given.select, keyword=given.keyword, seconds=given.timeout)
    print(f"{given.kind}: {_counted([outcome for outcome, _ in outcomes.values()])}")
    if given.write:
        _write(given.kind, {name: outcome for name, (outcome, _) in outcomes.items()})
    if given.kind == "stock":
        return 0
    expected = json.loads((HERE / "outcomes" / "stock.json").read_text())
    if expected["kombu"] != importlib.metadata.version("kombu"):
        print(
            f"outcomes/stock.json is of kombu {expected['kombu']}: run `stock --write` first", file=sys.stderr
        )
        return 1
    left_out = read_left_out(HERE / "left_out.toml", given.kind)
    if given.why:
        _tell_why(left_out)
    complete = not (given.select or given.keyword)
    complaints = judge(outcomes, expected["outcomes"], left_out, complete=complete)
    for complaint in complaints:
        print(f"  {complaint}")
    return 1 if complaints else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kombu_suite", description=__doc__)
    parser.add_argument("kind", choices=["stock", "redis", "sqlite"])
    parser.add_argument("--select", nargs="*", default=[], help="test files, or tests as pytest names them")
    parser.add_argument("-k", dest="keyword", default="", help="as pytest's")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for one test")
    parser.add_argument("--write", action="store_true", help="keep the outcomes in outcomes/KIND.json")
    parser.add_argument("--why", action="store_true", help="print what is left out, and why")
    return parser.parse_args()


def _counted(outcomes: list[str]) -> str:
    return ", ".join(f"{outcomes.count(each)} {each}" for each in sorted(set(outcomes))) or "no test ran"


def _tell_why(left_out: list[LeftOut]) -> None:
    for entry in left_out:
        print(f"  left out: {', '.join(entry.tests)}\n    {entry.reason}")


def _write(kind: str, outcomes: dict[str, str]) -> None:
    versions = {name: importlib.metadata.version(name) for name in ("kombu", "redis", "pytest")}
    text = json.dumps({**versions, "outcomes": outcomes}, indent=1, sort_keys=True)
    (HERE / "outcomes" / f"{kind}.json").write_text(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
