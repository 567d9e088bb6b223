"""Scheduler classes of Celery's kind under fleet: one instance of all hosts sends, and its class decides what."""

from __future__ import annotations

import subprocess
import sys
import time
from copy import copy
from pathlib import Path
from typing import Any, ClassVar

import pytest
from celery import Celery
from celery.beat import ScheduleEntry
from celery.beat import Scheduler as CelerysScheduler
from celery.schedules import crontab

from fleet.broker.notes import Written
from fleet.celery.beat_service import BeatService
from fleet.scheduler.lease import SECONDS, Lease
from fleet.scheduler.log import Log
from tests.support import ROOT, eventually


class CountingScheduler(CelerysScheduler):
    """Sends nothing: counts."""

    sent: ClassVar[list[str]] = []
    fails = 0

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **_: Any) -> None:
        self.sent.append(entry.name)

    @property
    def producer(self) -> None:
        return None

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        if type(self).fails:
            type(self).fails -= 1
            raise RuntimeError("no database")
        return super().tick(*args, **kwargs)


def test_a_class_sends_only_while_it_is_our_turn_and_is_made_anew_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.celery.beat_service._AFTER_ERROR_SECONDS", 0.01)
    app = Celery("counted", broker="memory://", set_as_current=False)
    app.conf.beat_schedule = {"often": {"task": "counted.t", "schedule": 0.05}}
    CountingScheduler.fails = 1
    ours, asked = [False], []

    def is_ours() -> bool:
        asked.append(ours[0])
        return ours[0]

    name = f"{__name__}:CountingScheduler"
    service = BeatService(app, name, is_ours, log=Log(), folder=tmp_path)
    service.start()
    try:
        eventually(lambda: len(asked) >= 3, within=20)
        assert CountingScheduler.sent == []
        ours[0] = True
        eventually(lambda: len(CountingScheduler.sent) >= 3, within=20)
        assert service.shown()["entries"][0]["name"] == "often"
        ours[0] = False
        eventually(lambda: not service.shown()["sends"], within=5)
        seen, before = len(CountingScheduler.sent), len(asked)
        eventually(lambda: len(asked) >= before + 3, within=20)
        assert len(CountingScheduler.sent) <= seen + 1
    finally:
        service.stop()


class Row:
    """A row of Django's: it is what knows of the runs."""

    last_run_at = None
    total_run_count = 0


class RowEntry(ScheduleEntry):
    """As that of django-celery-beat: it keeps what it has read when it was made."""

    model = Row()

    def __next__(self) -> RowEntry:
        self.model.last_run_at = self.default_now()
        self.model.total_run_count += 1
        return copy(self)


class RowScheduler(CountingScheduler):
    """Keeps the entry that it has read in its schedule, whatever becomes of it."""

    Entry = RowEntry

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **_: Any) -> None:
        next(entry)


def test_the_runs_that_are_shown_are_those_of_the_row_that_an_entry_was_read_from(tmp_path: Path) -> None:
    app = Celery("rows", broker="memory://", set_as_current=False)
    app.conf.beat_schedule = {"daily": {"task": "rows.t", "schedule": crontab(minute="*")}}
    service = BeatService(app, f"{__name__}:RowScheduler", lambda: True, log=Log(), folder=tmp_path)
    scheduler = RowScheduler(app, lazy=True)
    scheduler.merge_inplace(app.conf.beat_schedule)
    scheduler.apply_entry(scheduler.schedule["daily"])
    service._show(scheduler)
    [shown] = service.shown()["entries"]
    assert shown["runs"] == 1
    assert shown["last_run_at"] is not None
    assert "\n" not in shown["when"]


def written(text: str) -> Written:
    return Written(True, text)


def test_a_lease_goes_to_another_host_when_it_has_run_out_and_not_before() -> None:
    one, two = Lease("one"), Lease("two")
    first = one.renewal(None, 1000)
    assert first is not None
    one.written(written(first.after), time.monotonic())
    assert one.is_held()
    assert two.renewal(first.after, 1000 + 29_000) is None
    taken = two.renewal(first.after, 1001 + round(SECONDS * 1000))
    assert taken is not None
    assert taken.before == first.after, "whoever is late writes nothing"
    assert one.renewal(taken.after, 1002 + round(SECONDS * 1000)) is None
    assert not one.is_held()


def test_a_lease_that_is_not_renewed_ends_before_another_host_may_take_it() -> None:
    lease = Lease("one")
    entry = lease.renewal(None, 0)
    assert entry is not None
    lease.written(written(entry.after), time.monotonic() - SECONDS + 4)
    assert not lease.is_held()


def test_the_next_process_on_a_host_goes_on_with_its_lease_at_once() -> None:
    entry = Lease("one").renewal(None, 0)
    assert entry is not None
    assert Lease("one").renewal(entry.after, 1) is not None


DJANGO = """
import sys
from pathlib import Path
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django_celery_beat"], USE_TZ=True, TIME_ZONE="UTC", SECRET_KEY="x",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1] + "/db"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django_celery_beat.models import IntervalSchedule, PeriodicTask
interval, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
task = PeriodicTask.objects.create(name="from-the-database", task="shop.t", interval=interval, args="[7]")
from celery import Celery
app = Celery("shop", broker="memory://")
app.conf.beat_scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
app.conf.beat_schedule = {}
sent = []
@app.task(name="shop.t")
def t(n): ...
t.apply_async = lambda args, kwargs, **options: sent.append(args)
from fleet.celery.beat_schedule import _own_class
from fleet.celery.beat_service import BeatService
from fleet.scheduler.log import Log
import time
service = BeatService(app, _own_class(app), lambda: True, log=Log(), folder=Path(sys.argv[1]))
service.start()
deadline = time.monotonic() + 40
while len(sent) < 2 and time.monotonic() < deadline:
    time.sleep(0.1)
service.stop()
task.refresh_from_db()
print(sent[:2], task.total_run_count >= 2, [each["name"] for each in service.shown()["entries"]])
"""


def test_the_database_scheduler_of_django_sends_what_its_tables_say(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DJANGO, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith("[[7], [7]] True")
    assert "from-the-database" in done.stdout
