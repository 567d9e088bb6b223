"""The desk's side of its way to the loop, when the loop has ended."""

from __future__ import annotations

import socket

import pytest

from fleet.worker.pools.desk_process import SocketChannel


def test_what_is_asked_of_a_worker_that_has_ended_is_refused_at_once() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = SocketChannel(ours)
        theirs.shutdown(socket.SHUT_WR)  # it waits for the desk to end, and reads nothing
        assert channel.events(30) is None
        with pytest.raises(ConnectionError, match="has ended"):
            channel.ask("snapshot")
