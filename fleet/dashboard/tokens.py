"""Tokens of the page: the lines of their file, the sessions that they sign, and codes that let somebody in once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fleet.private_files import open_private
from fleet.token_lines import is_name, read_line

SESSION_SECONDS = 12 * 3600
CODE_SECONDS = 600
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Token:
    """One line of the file. `name` is what the audit calls its bearer."""

    name: str
    role: str
    secret: str


class TokenFile:
    """Read anew whenever it changes; who has no line there any more is out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_at: tuple[int, int, int] | None = None
        self._tokens: dict[str, Token] = {}

    def tokens(self) -> dict[str, Token]:
        """By name; {} when there is no file."""
        try:
            found = self.path.stat()
        except OSError:
            self._read_at, self._tokens = None, {}
            return {}
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._read_at:
            self._tokens = {token.name: token for token in read_tokens(self.path)}
            self._read_at = stamp
        return self._tokens

    def of_secret(self, secret: str) -> Token | None:
        """In a time that does not tell how much of it was right."""
        digest = _digest(secret)
        found = None
        for token in self.tokens().values():
            if hmac.compare_digest(_digest(token.secret), digest):
                found = token
        return found

    def session(self, token: Token, now: float) -> str:
        """For a cookie: holds until its time is over, or its line is changed."""
        until = int(now + SESSION_SECONDS)
        return f"{token.name}:{until}:{_signature(token, until)}"

    def of_session(self, cookie: str, now: float) -> Token | None:
        name, _, rest = cookie.partition(":")
        until, _, signature = rest.partition(":")
        token = self.tokens().get(name)
        if token is None or not re.fullmatch(r"[0-9]{1,12}", until) or int(until) < now:
            return None
        good = hmac.compare_digest(
            _signature(token, int(until)).encode(), signature.encode("utf-8", "replace")
        )
        return token if good else None


def read_tokens(path: Path) -> Iterator[Token]:
    """The lines that are `NAME ROLE SECRET`; others, comments among them, mean nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            lines = file.read(_MOST_BYTES).splitlines()
    except OSError:
        return
    for line in lines:
        if (found := read_line(line)) is not None:
            yield Token(*found)


def add_token(path: Path, name: str, role: str) -> Token:
    """A new line at the end of the file (0600). Raises ValueError, OSError."""
    if not is_name(name):
        raise ValueError(f"{name!r}: expected at most 64 letters, digits, and any of _ . @ -")
    if any(token.name == name for token in read_tokens(path)):
        raise ValueError(f"{path} has a line for {name} already: remove it first")
    token = Token(name, role, secrets.token_urlsafe(24))
    descriptor = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    with os.fdopen(descriptor, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        begin = b"" if size == 0 or _last_byte(file.fileno(), size) == b"\n" else b"\n"
        file.write(begin + f"{token.name} {token.role} {token.secret}\n".encode())
    return token


def _last_byte(descriptor: int, size: int) -> bytes:
    return os.pread(descriptor, 1, size - 1)


def make_code(folder: Path, name: str) -> str:
    """Lets in as `name`, once, within ten minutes. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    code = base64.b32encode(secrets.token_bytes(15)).decode()
    file = folder / _digest(code).hex()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as writer:
        writer.write(f"{name} {int(time.time() + CODE_SECONDS)}")
    return code


def use_code(folder: Path, code: str, now: float) -> str | None:
    """Whose it is; from now on it is nobody's."""
    file = folder / _digest(code).hex()
    try:
        name, until = file.read_text().split()
        file.unlink()  # of two who come at once, one finds nothing to delete
    except (OSError, ValueError):
        return None
    return name if now <= int(until) else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _signature(token: Token, until: int) -> str:
    said = f"fleet session:{token.name}:{token.role}:{until}".encode()
    return hmac.new(token.secret.encode(), said, hashlib.sha256).hexdigest()
