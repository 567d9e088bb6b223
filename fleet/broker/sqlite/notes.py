"""The notes of schedulers in the file of the embedded broker."""

from __future__ import annotations

import sqlite3

from fleet.broker.sqlite.file import SqliteFile

# Not in the schema: files of before get it, too, and who doesn't know it does without.
_TABLE = (
    "CREATE TABLE IF NOT EXISTS notes (book TEXT NOT NULL, name TEXT NOT NULL, note TEXT NOT NULL, "
    "PRIMARY KEY (book, name)) WITHOUT ROWID"
)
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'notes'"
_PUT = "INSERT OR REPLACE INTO notes VALUES (?, ?, ?)"


def all_notes(file: SqliteFile, book: str) -> dict[str, str]:
    if not file.read(_IS_THERE):
        return {}
    return dict(file.read("SELECT name, note FROM notes WHERE book = ?", (book,)))


def swap(
    db: sqlite3.Connection, book: str, name: str, before: str | None, after: str
) -> tuple[bool, str | None]:
    """Whether `before` was there, so that `after` is now; and the note that was there."""
    db.execute(_TABLE)
    row = db.execute("SELECT note FROM notes WHERE book = ? AND name = ?", (book, name)).fetchone()
    present = None if row is None else str(row[0])
    if present != before:
        return False, present
    db.execute(_PUT, (book, name, after))
    return True, present
