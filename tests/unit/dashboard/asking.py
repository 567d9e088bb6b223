"""The dashboard's application without a network: one request, one answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

from fleet.dashboard.application import application
from fleet.dashboard.gate import RequestGate
from fleet.launch_specs import DashboardLaunch
from fleet.statedir import StateDir

TOKENS = """\
# who may use it
ann operator ann-0123456789abcdef
vic viewer vic-0123456789abcdef
prom metrics prom-0123456789abcdef
"""


class Said(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


class Asking:
    """`ask` as a browser on this machine does it, unless it is said otherwise."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        tokens = folder / "tokens"
        if not tokens.exists():
            tokens.write_text(TOKENS)
        given = {"listen": "127.0.0.1:8787", **settings}
        self.launch = DashboardLaunch("shop", str(folder), token_file=str(tokens), **given)
        self.app: RequestGate
        self.app, _ = application(self.launch, StateDir(folder))

    def ask(
        self, path: str, value: Any = None, *, client: str = "127.0.0.1", query: str = "", **headers: str
    ) -> Said:
        """POST when there is a value: as JSON, or as the bytes that it is. Names of headers with "_" for "-"."""
        given = {"host": "127.0.0.1:8787"}
        if value is not None:
            given |= {"content-type": "application/json", "sec-fetch-site": "same-origin"}
        given |= {name.replace("_", "-"): text for name, text in headers.items()}
        body = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        return asyncio.run(
            self._ask("GET" if value is None else "POST", f"{path}?{query}", given, body, client)
        )

    async def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes, client: str) -> Said:
        said: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "method": method,
            "path": path.partition("?")[0],
            "query_string": path.partition("?")[2].encode(),
            "scheme": "http",
            "headers": [(name.encode(), text.encode()) for name, text in headers.items() if text],
            "client": (client, 5) if client else None,
            "server": ("127.0.0.1", 8787),
            "root_path": "",
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await self.app(scope, receive, send)
        head = {name.decode(): text.decode() for name, text in said[0]["headers"]}
        return Said(said[0]["status"], head, b"".join(each.get("body", b"") for each in said[1:]))


def bearer(name: str) -> str:
    return f"Bearer {name}-0123456789abcdef"
