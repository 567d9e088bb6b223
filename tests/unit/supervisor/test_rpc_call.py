"""Whatever goes over the supervisor's socket survives it; whatever answers is told apart."""

from __future__ import annotations

import json
import socket
import threading
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.supervisor import rpc_call
from fleet.supervisor.client import SupervisorClient, SupervisorUnavailable


@given(st.text())
def test_requests_are_xml_rpc(text: str) -> None:
    argument = json.dumps({"text": text})
    head, _, body = rpc_call._request("fleet.add", argument).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert xmlrpc.client.loads(body) == ((argument,), "fleet.add")


@given(st.text())
def test_an_xml_rpc_answer_is_unpacked_to_its_text(text: str) -> None:
    answer = json.dumps(text)
    assert rpc_call._unpack("x", xmlrpc.client.dumps((answer,), methodresponse=True).encode()) == answer


def test_an_xml_rpc_fault_is_raised_as_a_refusal() -> None:
    fault = xmlrpc.client.dumps(xmlrpc.client.Fault(2, "INCORRECT_PARAMETERS: ValueError: no <name>"))
    with pytest.raises(rpc_call.CallRefused, match=r"^no <name>$"):
        rpc_call._unpack("x", fault.encode())


@pytest.fixture
def server(short_folder: Path) -> Iterator[tuple[Path, list[bytes]]]:
    """Answers each connection with the next of the given texts."""
    path, answers = short_folder / "s", list[bytes]()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(65536)
                connection.sendall(answers.pop(0))
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path, answers
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense",
        b"HTTP/1.0 500 Oops\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n<a/>",
    ],
)
def test_whoever_is_no_supervisor_counts_as_none(server: tuple[Path, list[bytes]], answer: bytes) -> None:
    path, answers = server
    answers.append(answer)
    with pytest.raises(SupervisorUnavailable):
        SupervisorClient(path).snapshot()


def test_a_call_to_a_socket_where_nobody_listens_is_unavailable(short_folder: Path) -> None:
    with pytest.raises(SupervisorUnavailable):
        SupervisorClient(short_folder / "none").snapshot()
    (short_folder / "file").touch()
    with pytest.raises(SupervisorUnavailable):
        SupervisorClient(short_folder / "file").snapshot()
