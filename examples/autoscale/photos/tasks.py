"""One task that waits and one that computes, so that both kinds of scaling show."""

from __future__ import annotations

import hashlib
import time

from fleet import task


@task
def upload(name: str, seconds: float = 0.5) -> None:
    time.sleep(seconds)  # a slow object store
    print(f"uploaded {name}", flush=True)


@task
def thumbnail(name: str, rounds: int = 200_000) -> str:
    return hashlib.pbkdf2_hmac("sha256", name.encode(), b"salt", rounds).hex()
