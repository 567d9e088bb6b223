"""C code that computes and lets others have the interpreter meanwhile.

It computes, and more at once than there are CPUs only take turns. Hashing lets the lock go, so threads do as well as
processes; green threads would not, for they are one thread.
"""

from __future__ import annotations

import hashlib

from fleet import task

RIGHT = ({"prefork", "threads"}, "cpus", "cpus")
START = ("gevent", 100)
SENT = 40
_DATA = b"x" * 16_000_000


@task(name="work")
def work() -> None:
    hashlib.sha256(_DATA).hexdigest()
