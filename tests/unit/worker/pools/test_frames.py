"""Values over a socket between a worker and its pool processes: whole, in order, however the stream is cut."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fleet.worker.pools.frames import NOTHING, Outbox, Unpacker, pack, receive


@given(some.lists(some.binary() | some.integers() | some.none(), max_size=5), some.integers(1, 50))
def test_values_come_out_as_they_went_in_wherever_the_stream_is_cut(values: list[Any], size: int) -> None:
    stream, unpacker, found = b"".join(map(pack, values)), Unpacker(), []
    for at in range(0, len(stream), size):
        found += unpacker.feed(stream[at : at + size])
    assert found == values
    assert unpacker.next() is NOTHING


def test_what_follows_a_frame_as_it_is_may_lie_here_and_still_be_on_its_way() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        unpacker = Unpacker()
        unpacker.add(pack("body") + b"abc")
        assert unpacker.next() == "body"
        theirs.sendall(b"def" + pack("next"))
        assert unpacker.raw(ours, 6) == b"abcdef"
        unpacker.add(receive(ours))
        assert unpacker.next() == "next"


def test_a_stream_that_ends_within_a_body_is_an_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.close()
        with pytest.raises(EOFError):
            Unpacker().raw(ours, 1)
        assert receive(ours) == b""


def test_an_outbox_sends_what_goes_and_keeps_the_rest_in_order() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        outbox, pieces = Outbox(), [bytes([number]) * 300_000 for number in range(5)]
        for piece in pieces:
            outbox.put(piece)
        got = b""
        while outbox:
            outbox.send(ours)
            got += theirs.recv(1 << 20)
        while len(got) < outbox.put_bytes:
            got += theirs.recv(1 << 20)
        assert got == b"".join(pieces)
        assert outbox.gone_bytes == outbox.put_bytes == 1_500_000
