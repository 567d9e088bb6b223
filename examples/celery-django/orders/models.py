"""An order with its items, and the receipts that were sent."""

from django.db import models


class Order(models.Model):
    email = models.EmailField()
    state = models.CharField(max_length=10, default="open")
    total_cents = models.IntegerField(null=True, blank=True)

    def __str__(self) -> str:
        return f"order {self.pk} of {self.email}"


class Item(models.Model):
    order = models.ForeignKey(Order, related_name="items", on_delete=models.CASCADE)
    name = models.CharField(max_length=50)
    pieces = models.IntegerField(default=1)
    cents = models.IntegerField()


class Receipt(models.Model):
    order = models.OneToOneField(Order, on_delete=models.CASCADE)
    sent_at = models.DateTimeField()
