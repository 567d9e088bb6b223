"""Set up as Django's documentation has it for scripts, and tasks that use the ORM without another thought."""

from __future__ import annotations

import os
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_project.settings")
django.setup()

from fleet import task  # noqa: E402
from tests.django_project.models import Order  # noqa: E402


@task(max_retries=0)
def place(number: int, seconds: float = 0.0) -> None:
    Order.objects.create(number=number)
    time.sleep(seconds)
