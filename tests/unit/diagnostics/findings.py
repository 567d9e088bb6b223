"""Findings with everything that a renderer might stumble over."""

from __future__ import annotations

from fleet.diagnostics import Diagnostic, Edit, Fix, Related, Span

SECRET = "hunter2"

PLAIN = Diagnostic("FLT102", "unconsumed-queue", "info", "nobody", "queues.a", Span(1, 1, 1, 11))
FULL = Diagnostic(
    code="FLT302",
    name="green-pool-default-concurrency",
    severity="error",
    message=f'<50% of "amqp://shop:{SECRET}@rabbit//": a,b & c',
    path='workers."a b"',
    span=Span(3, 2, 3, 6),
    label=f"redis://:{SECRET}@h",
    help=f"two\nlines, amqp://a:{SECRET}@h",
    notes=("one\x00\x1b[31m", f"redis://:{SECRET}@h"),
    fix=Fix(False, (Edit(Span(4, 1, 4, 1), "concurrency = 500\n"),)),
    related=(Related(Span(1, 1, 1, 3), f"redis://:{SECRET}@h"),),
    environments=("a", "b"),
)
OVER_LINES = Diagnostic("FLT004", "invalid-value", "warning", "bad", "queues", Span(5, 9, 7, 2))
ALL = [PLAIN, FULL, OVER_LINES]
