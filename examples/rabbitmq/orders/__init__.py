"""A shop that invoices, calls webhooks and keeps a ledger."""
