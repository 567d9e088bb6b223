"""What an editor shows in a fleet.toml made by `fleet init`, by way of a language server (tombi)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.invoke import fleet
from tests.support import eventually

# Installed with the development dependencies, into the folder of this Python.
TOMBI = Path(sys.executable).parent / "tombi"


class Editor:
    """Just enough of a language client: opens one text and asks about places in it."""

    def __init__(self, server: subprocess.Popen[bytes], folder: Path) -> None:
        self._server = server
        self._uri = (folder / "fleet.toml").as_uri()
        self._requests = 0
        self.ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities={})
        self._send(method="initialized", params={})

    def open(self, text: str) -> None:
        document = {"uri": self._uri, "languageId": "toml", "version": 1, "text": text}
        self._send(method="textDocument/didOpen", params={"textDocument": document})

    def at(self, what: str, line: int, character: int) -> Any:
        """`what` is "completion" or "hover"; positions count from 0."""
        place = {"line": line, "character": character}
        return self.ask(f"textDocument/{what}", textDocument={"uri": self._uri}, position=place)

    def ask(self, method: str, **params: Any) -> Any:
        self._requests += 1
        self._send(id=self._requests, method=method, params=params)
        while (answer := self._receive()).get("id") != self._requests or "method" in answer:
            if "id" in answer:  # the server may ask, too
                self._send(id=answer["id"], result=None)
        return answer["result"]

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._server.stdin is not None
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._server.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        length = 0
        while line := self._server.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, "the language server has gone"
        message: dict[str, Any] = json.loads(self._server.stdout.read(length))
        return message


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    fleet("init", tmp_path)
    server = subprocess.Popen(
        [TOMBI, "lsp", "--offline"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    yield Editor(server, tmp_path)
    server.kill()
    server.communicate()


def labels(items: Any) -> list[str]:
    return [item["label"] for item in (items["items"] if isinstance(items, dict) else items or ())]


def test_an_editor_completes_and_describes(editor: Editor) -> None:
    head = '#:schema ./fleet.schema.json\n[fleet]\napp = "x"\n[workers.w]\n'
    editor.open(f'{head}pool = ""\nmax_ta')
    # It reads text and schema while we ask already.
    eventually(lambda: "max_tasks" in labels(editor.at("completion", 5, 6)), within=30)
    assert '"gevent"' in labels(editor.at("completion", 4, 8))
    hover = editor.at("hover", 4, 1)["contents"]["value"]
    assert hover.startswith("What runs tasks: prefork if they compute;")
