"""What a shopkeeper does in examples/celery-django, and what came of it: run in the project's folder, prints JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter

import django

sys.path.insert(0, os.getcwd())  # noqa: PTH109  as manage.py has it
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.test import Client  # noqa: E402
from django_celery_results.models import TaskResult  # noqa: E402
from orders.models import Order, Receipt  # noqa: E402

SMALL = 5  # more orders of one item each
WITHIN_SECONDS = 60
_AT_WORK = ("PENDING", "STARTED", "RETRY", "RECEIVED")


def main() -> None:
    orders = [
        _order("two@example.com", ("book", 2, 1250), ("pen", 1, 99)),
        _order("slow@example.com", ("slow", 1, 500), ("book", 1, 1250)),
        _order("none@example.com", ("book", 1, 1250), ("gone", 0, 10)),
        *(_order(f"small{n}@example.com", ("pen", n + 1, 99)) for n in range(SMALL)),
    ]
    admin = Client()
    admin.force_login(User.objects.create_superuser("keeper", password="secret"))
    chosen = {"action": "bill_selected", "_selected_action": [order.pk for order in orders]}
    page = admin.post("/admin/orders/order/", chosen, follow=True)
    said = f"{len(orders)} orders are being billed" in page.content.decode()
    _wait(len(orders) - 1)
    sent = sorted(Receipt.objects.values_list("sent_at", flat=True))
    ended = Counter(
        f"{name} {status}" for name, status in TaskResult.objects.values_list("task_name", "status")
    )
    outcome = {
        "the page said so": said,
        "orders": [[o.email, o.state, o.total_cents] for o in Order.objects.order_by("pk")],
        "receipts": len(sent),
        "results": dict(sorted(ended.items())),
        # By half: on a busy machine the first may come late, and the others do not wait for it.
        "the rate was kept": (sent[-1] - sent[0]).total_seconds() >= (len(sent) - 1) / 2 / 2,
    }
    print(json.dumps(outcome))


def _order(email: str, *items: tuple[str, int, int]) -> Order:
    order = Order.objects.create(email=email)
    for name, pieces, cents in items:
        order.items.create(name=name, pieces=pieces, cents=cents)
    return order


def _wait(receipts: int) -> None:
    """Until nothing goes on any more."""
    until = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < until:
        if (
            not Order.objects.filter(state__in=("open", "billing")).exists()
            and Receipt.objects.count() >= receipts
            and not TaskResult.objects.filter(status__in=_AT_WORK).exists()
        ):
            return
        time.sleep(0.1)
    print(list(Order.objects.values_list("email", "state")), Receipt.objects.count(), file=sys.stderr)
    print(list(TaskResult.objects.values_list("task_name", "status", "result")), file=sys.stderr)


if __name__ == "__main__":
    main()
