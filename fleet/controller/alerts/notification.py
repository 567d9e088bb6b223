"""One notice to whoever is to be told: a webhook, signed, and a command. Blocks; for a thread of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.fleet_state import AlertSettings

SECONDS = 10.0
_COMMAND_SECONDS = 30.0
SIGNATURE_HEADER, TIMESTAMP_HEADER = "X-Fleet-Signature", "X-Fleet-Timestamp"


class NotDelivered(Exception):  # noqa: N818
    """The text says why; without the URL, which may be a secret."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed body goes to the address in the file and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def deliver(settings: AlertSettings, body: Mapping[str, Any], *, folder: str) -> None:
    """To both, if both are named; the command runs in `folder`. Raises NotDelivered."""
    text = json.dumps(body, ensure_ascii=True).encode()
    failed = []
    if settings.webhook_file is not None:
        failed += _tried(lambda: _post(Path(str(settings.webhook_file)), text))
    if settings.command:
        failed += _tried(lambda: _run(settings.command, text, folder))
    if failed:
        raise NotDelivered("; ".join(failed))


def _tried(work: Any) -> list[str]:
    try:
        work()
    except NotDelivered as error:
        return [str(error)]
    return []


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over `TIMESTAMP.BODY`, as the header has it: who gets it can refuse old and forged ones."""
    made = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={made.hexdigest()}"


def _post(file: Path, body: bytes) -> None:
    try:
        url, *rest = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise NotDelivered(f"webhook: {file} can't be read: {error}") from error
    url, secret = url.strip(), rest[0].strip() if rest else ""
    if not url.startswith(("http://", "https://")):
        raise NotDelivered(f"webhook: the first line of {file} is no http:// or https:// URL")
    timestamp = str(int(time.time()))
    headers = {"Content-Type": "application/json", "User-Agent": "fleet", TIMESTAMP_HEADER: timestamp}
    if secret:
        headers[SIGNATURE_HEADER] = signature(secret, timestamp, body)
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310  looked at above
    try:
        with _OPENER.open(request, timeout=SECONDS) as answer:
            answer.read(1024)
    except urllib.error.HTTPError as error:
        raise NotDelivered(f"webhook: it answered {error.code}") from error
    except (OSError, ValueError) as error:
        raise NotDelivered(f"webhook: {getattr(error, 'reason', error)}") from error


def _run(command: tuple[str, ...], body: bytes, folder: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("FLEET_SUPERVISED")
    }
    try:
        done = subprocess.run(
            list(command),
            input=body,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotDelivered(f"command: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NotDelivered(
            f"command: {command[0]} ended with {done.returncode}{': ' + said[-1] if said else ''}"
        )
