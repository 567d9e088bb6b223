"""An app that opens at import what $OPENED says, as many do with their database."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import threading

from fleet import task
from tests.contract.app import write

OPENED = os.environ.get("OPENED", "")
if OPENED.startswith("connection"):
    CONNECTION = socket.create_connection(("127.0.0.1", int(OPENED.partition(":")[2])))
elif OPENED == "closed":
    socket.create_connection(("127.0.0.1", int(os.environ["PORT"]))).close()
elif OPENED == "thread":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
elif OPENED == "loop":
    LOOP = asyncio.new_event_loop()
elif OPENED.startswith("database"):
    DATABASE = sqlite3.connect(OPENED.partition(":")[2])
    DATABASE.execute("CREATE TABLE IF NOT EXISTS things (name)")


@task
def ask(key: str, times: int) -> None:
    """Says a word of its own that often over the connection; an echo must give it back."""
    wrong = 0
    for number in range(times):
        word = f"{os.getpid():08d}.{number:06d}".encode()
        CONNECTION.sendall(word)
        wrong += CONNECTION.recv(len(word)) != word
    write("asked", key, wrong=wrong)


@task
def note(key: str) -> None:
    write("note", key)
