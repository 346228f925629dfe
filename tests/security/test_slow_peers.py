"""Peers that take their time, and valid requests in every possible chunking."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from security.conftest import IDLE_SECONDS
from support.broker import answers
from support.frames import METADATA, Peer, framed, header, produce_frame

if TYPE_CHECKING:
    from support.broker import BrokerProcess

pytestmark = pytest.mark.timeout(120)

# Deadlines are looked at now and then, and the machine may be busy.
CLOSED_SECONDS = IDLE_SECONDS * 4 + 5


def test_a_connection_that_says_nothing_is_closed(target: BrokerProcess) -> None:
    with Peer(target.port) as peer:
        began = time.monotonic()
        assert peer.is_closed(within_seconds=CLOSED_SECONDS)
        assert time.monotonic() - began > IDLE_SECONDS / 2, "but not at once"


def test_a_frame_that_never_ends_does_not_keep_a_connection(target: BrokerProcess) -> None:
    """A byte now and then (slow loris) is no sign of life: only whole frames are."""
    frame = framed(header(METADATA, 1) + b"\xff\xff\xff\xff")
    with Peer(target.port) as peer:
        deadline = time.monotonic() + CLOSED_SECONDS
        sent = 0
        while time.monotonic() < deadline:
            try:
                peer.send(frame[sent : sent + 1] if sent < len(frame) - 1 else b"")
            except OSError:
                break
            sent += 1
            if peer.is_closed(within_seconds=IDLE_SECONDS / 8):
                break
        else:
            pytest.fail("the connection is still open")
    assert target.is_alive()


def test_many_silent_connections_do_not_keep_others_out(target: BrokerProcess) -> None:
    peers = [Peer(target.port) for _ in range(500)]
    try:
        began = time.monotonic()
        assert answers(target.port)
        assert time.monotonic() - began < 5
    finally:
        for peer in peers:
            peer.socket.close()


@pytest.mark.parametrize("seed", range(3))
def test_any_chunking_of_the_bytes_gives_the_same_replies(target: BrokerProcess, seed: int) -> None:
    rng = random.Random(seed)
    stream = b"".join(
        [
            framed(header(18, 0, correlation_id=1)),
            framed(header(METADATA, 1, correlation_id=2) + b"\0\0\0\1\0\1t"),
            produce_frame("t", 0, [b"chunked"], acks=1, correlation_id=3),
            framed(header(18, 0, correlation_id=4)),
        ]
    )
    with Peer(target.port) as peer:
        peer.send(stream)
        whole = [peer.reply() for _ in range(4)]
    with Peer(target.port) as peer:
        position = 0
        while position < len(stream):
            size = rng.choice((1, 1, 2, 3, 4, 5, 17, 60))
            peer.send(stream[position : position + size])
            position += size
        chunked = [peer.reply() for _ in range(4)]
    assert [reply[:4] for reply in chunked] == [reply[:4] for reply in whole]
    assert [chunked[i] for i in (0, 1, 3)] == [whole[i] for i in (0, 1, 3)]
