"""The app of Celery's integration suite for a worker in another process: configured as the suite's own is."""

from __future__ import annotations

import json
import os

from celery import Celery
from celery.contrib.testing import tasks  # noqa: F401  celery.ping

app = Celery("celery.tests", set_as_current=True)
app.conf.update(json.loads(os.environ["SUITE_CONFIG"]))
app.set_default()

from t.integration import tasks as suite_tasks  # type: ignore[import-not-found]  # noqa: E402

app.register_task(suite_tasks.ClassBasedAutoRetryTask)
