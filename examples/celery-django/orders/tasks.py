"""Tasks as a Celery user writes them: a chord, a rate limit, a retry; the ORM without another thought."""

from celery import chord, shared_task
from django.utils import timezone

from orders.models import Item, Order, Receipt


class SoldOutError(Exception):
    """Nobody can be billed for it."""


@shared_task(ignore_result=True)
def bill(order_id: int) -> None:
    """Price each item on its own, then close the order with the sum."""
    Order.objects.filter(pk=order_id).update(state="billing")
    header = [price.s(pk) for pk in Item.objects.filter(order_id=order_id).values_list("pk", flat=True)]
    chord(header, close.s(order_id).on_error(give_up.si(order_id))).delay()


@shared_task(bind=True, acks_late=True, max_retries=2)
def price(self, item_id: int) -> int:
    item = Item.objects.get(pk=item_id)
    if item.pieces == 0:
        raise SoldOutError(item.name)
    if item.name == "slow" and self.request.retries == 0:
        raise self.retry(countdown=0.2)
    return item.pieces * item.cents


@shared_task
def close(prices: list[int], order_id: int) -> int:
    total = sum(prices)
    Order.objects.filter(pk=order_id).update(state="billed", total_cents=total)
    send_receipt.delay_on_commit(order_id)
    return total


@shared_task
def give_up(order_id: int) -> None:
    Order.objects.filter(pk=order_id).update(state="failed")


@shared_task(rate_limit="2/s")
def send_receipt(order_id: int) -> None:
    """No more than the mail server likes."""
    Receipt.objects.create(order_id=order_id, sent_at=timezone.now())
