"""One XML-RPC call of one string over a Unix socket. `xmlrpc.client` would cost every command 40 ms of
imports.
"""

from __future__ import annotations

import socket
from pathlib import Path
from xml.etree import ElementTree


class CallRefused(ValueError):  # noqa: N818
    """The supervisor understood and said no; the text says why."""


class BadAnswer(ConnectionError):  # noqa: N818
    """Not what a supervisor answers."""


def call(path: Path, method: str, argument: str | None, timeout_seconds: float) -> str:
    """What `method` returns. Raises OSError when nobody answers in time, BadAnswer, CallRefused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_seconds)
        connection.connect(str(path))
        connection.sendall(_request(method, argument))
        answer = bytearray()
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(status) < 2 or status[1] != b"200":
        raise BadAnswer(f"{method}: {head[:80].decode(errors='replace') or 'no answer'}")
    return _unpack(method, body)


def _request(method: str, argument: str | None) -> bytes:
    parameters = (
        "" if argument is None else f"<param><value><string>{_escape(argument)}</string></value></param>"
    )
    body = (
        f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName>"
        f"<params>{parameters}</params></methodCall>"
    ).encode("ascii")
    head = f"POST /RPC2 HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode("ascii") + body


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unpack(method: str, body: bytes) -> str:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - from our own supervisor
    except ElementTree.ParseError as error:
        raise BadAnswer(f"{method}: {error}") from None
    fault = root.find("fault")
    if fault is not None:
        members = {m.findtext("name"): "".join(m.find("value").itertext()) for m in fault.iter("member")}  # type: ignore[union-attr]
        raise CallRefused(
            members.get("faultString", "").removeprefix("INCORRECT_PARAMETERS: ").removeprefix("ValueError: ")
        )
    value = root.find("params/param/value")
    if value is None:
        raise BadAnswer(f"{method}: no value")
    return "".join(value.itertext())
