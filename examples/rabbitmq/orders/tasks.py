"""One task per kind of work; each notes what it did in $ORDERS_JOURNAL, so that it can be counted."""

from __future__ import annotations

import hashlib
import os
import time

from fleet import task


@task
def render_invoice(number: int) -> None:
    """CPU-bound: a few milliseconds of hashing stand in for rendering a document."""
    hashlib.pbkdf2_hmac("sha256", str(number).encode(), b"invoice", 10_000)
    note("invoice", number)


@task
def call_webhook(number: int) -> None:
    """I/O-bound: waits 50 ms for somebody else's server."""
    time.sleep(0.05)
    note("webhook", number)


@task
def book(number: int) -> None:
    """Short and strictly one after the other."""
    note("booking", number)


def note(kind: str, number: int) -> None:
    """One short O_APPEND write is atomic, so any number of processes may share the journal."""
    journal = os.open(
        os.environ.get("ORDERS_JOURNAL", "journal.txt"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
    )
    try:
        os.write(journal, f"{kind} {number} {os.getpid()}\n".encode())
    finally:
        os.close(journal)
