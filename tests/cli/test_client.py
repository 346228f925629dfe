"""The client meets servers that are not there, say nothing, or say nonsense."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from meghna.cli.client import Address, Client, parse_address
from meghna.cli.outcome import CommandError, Exit
from support.broker import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# ApiVersions v0 with Metadata 0-13 and FindCoordinator 0-6.
VERSIONS = struct.pack(">hi", 0, 2) + struct.pack(">hhhhhh", 3, 0, 13, 10, 0, 6)


def framed(correlation_id: int, payload: bytes) -> bytes:
    return struct.pack(">ii", len(payload) + 4, correlation_id) + payload


@contextmanager
def server(answer: Callable[[int, int], bytes | None]) -> Iterator[str]:
    """Answers each request by `answer(count, correlation id)`; None says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    peers = []

    def serve() -> None:
        count = 0
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peers.append(peer)
            with contextlib.suppress(ConnectionError):  # a client may close without reading
                while head := peer.recv(4, socket.MSG_WAITALL):
                    body = peer.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL)
                    reply = answer(count, struct.unpack(">i", body[4:8])[0])
                    count += 1
                    if reply is not None:
                        peer.sendall(reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        # What the thread still waits for is ended first: it may not meet a closed descriptor.
        for each in (listener, *peers):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for each in (listener, *peers):
            each.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost", Address("localhost", 9092)),
        ("a.b:1", Address("a.b", 1)),
        ("[::1]:9092", Address("::1", 9092)),
        ("[::1]", Address("::1", 9092)),
    ],
)
def test_addresses_have_a_default_port(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", ":9092", "host:", "host:x", "host:0", "host:65536"])
def test_what_is_no_address_is_a_usage_error(text: str) -> None:
    with pytest.raises(CommandError) as raised:
        parse_address(text)
    assert raised.value.code == Exit.USAGE


def assert_unreachable(bootstrap: str, reason: str) -> None:
    with Client(bootstrap, timeout_ms=300) as client, pytest.raises(CommandError) as raised:
        client.metadata(None)
    assert raised.value.code == Exit.UNREACHABLE
    assert reason in str(raised.value)


def test_nobody_listens() -> None:
    assert_unreachable(f"127.0.0.1:{free_port()}", "refused")


def test_a_silent_server_ends_the_wait() -> None:
    with server(lambda *_: None) as bootstrap:
        began = time.monotonic()
        assert_unreachable(bootstrap, "no answer in time")
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "reply",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\3abc"],
)
def test_a_reply_of_a_mad_size_is_not_waited_for(reply: bytes) -> None:
    with server(lambda *_: reply) as bootstrap:
        assert_unreachable(bootstrap, "not a Kafka broker")


def test_an_answer_to_another_question_is_refused() -> None:
    with server(lambda _, correlation: framed(correlation + 1, VERSIONS)) as bootstrap:
        assert_unreachable(bootstrap, "out of turn")


def test_a_reply_that_does_not_parse_is_an_error_of_the_broker() -> None:
    def answer(count: int, correlation: int) -> bytes:
        return framed(correlation, VERSIONS if count == 0 else b"\xff" * 40)

    with (
        server(answer) as bootstrap,
        Client(bootstrap, timeout_ms=2000) as client,
        pytest.raises(CommandError) as raised,
    ):
        client.metadata(None)
    assert raised.value.code == Exit.FAILED
    assert "makes no sense" in str(raised.value)


def test_the_second_bootstrap_address_is_asked_when_the_first_is_away() -> None:
    with server(lambda _, correlation: framed(correlation, VERSIONS)) as bootstrap:
        away = f"127.0.0.1:{free_port()}"
        with Client(f"{away},{bootstrap}", timeout_ms=2000) as client:
            assert str(client.any_broker().address) == bootstrap


def test_an_api_that_the_broker_lacks_is_said() -> None:
    with server(lambda _, correlation: framed(correlation, VERSIONS)) as bootstrap:
        with Client(bootstrap, timeout_ms=2000) as client, pytest.raises(CommandError) as raised:
            client.any_broker().version(19)
        assert "API key 19" in str(raised.value)
