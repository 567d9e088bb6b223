"""The admin page that sends: mark orders in the list, choose "Bill the selected orders"."""

from django.contrib import admin

from orders.models import Item, Order
from orders.tasks import bill


class ItemInline(admin.TabularInline):
    model = Item


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("id", "email", "state", "total_cents")
    inlines = (ItemInline,)
    actions = ("bill_selected",)

    @admin.action(description="Bill the selected orders")
    def bill_selected(self, request, queryset):
        for order in queryset:
            bill.delay_on_commit(order.pk)
        self.message_user(request, f"{queryset.count()} orders are being billed")
