"""`fleet schedule fire`: a scheduler that sends one run and is gone."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from fleet.cli.exits import Exit
from fleet.cli.options import Failure

_PATIENCE_SECONDS = 60.0


def send_one_run(file: Path | None, env: str | None, name: str, job: str | None) -> str:
    """What became of it. Raises Failure."""
    from fleet.broker.delivery import BrokerUnavailable, Refused
    from fleet.cli.file.loading import load_loaded, show
    from fleet.config.resolve import routing, schedules
    from fleet.scheduler.books import open_book
    from fleet.scheduler.known import KnownFile
    from fleet.scheduler.log import Log
    from fleet.scheduler.loop import UNSENDABLE, Plan
    from fleet.scheduler.messages import Messages
    from fleet.scheduler.one_run import OneRun, moment_of_job

    loaded = load_loaded(file, env)
    if (fleet := loaded.fleet) is None:
        show(loaded)
        raise Failure(f"{loaded.source.path} has errors: nothing is sent", Exit.BAD_CONFIG)
    known = {each.name: each for each in schedules(fleet)}
    if name not in known:
        raise Failure(
            f"there is no schedule {name!r}; there are: {', '.join(known) or 'none'}", Exit.BAD_CONFIG
        )
    rules = routing(fleet)
    with tempfile.TemporaryDirectory(prefix="fleet-run-") as folder:
        identity = f"schedule@{os.uname().nodename}:{os.getpid()}"
        book = open_book(fleet.name, rules, identity=identity, folder=Path(folder))
        plan = Plan(fleet.name, known, Messages(fleet.name, rules, str(loaded.source.path)))
        one = OneRun(plan, book, Log(), KnownFile(Path(folder) / "known.json"))
        try:
            moment = moment_of_job(job or "", int(time.time() * 1000))
            return one.fire(name, moment, until=time.monotonic() + _PATIENCE_SECONDS, pause=time.sleep)
        except (BrokerUnavailable, Refused, *UNSENDABLE) as error:
            raise Failure(f"{name}: {error}") from error
        finally:
            book.close()
