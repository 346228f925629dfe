"""Requests over a socket: what is served, what closes the connection, and what is said first."""

from __future__ import annotations

import asyncio
import importlib
import logging
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from broker.running import create, running
from meghna._native.server import Appended, PartitionFailed
from meghna.broker import dispatch
from meghna.broker.dispatch import HANDLERS, handler
from meghna.broker.handlers import api_versions
from meghna.errors import ErrorCode
from meghna.protocol import messages as m
from meghna.protocol.wire import decode_response, encode_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from meghna.broker.broker import Broker

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(broker: Broker) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.ports[0])
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def answer(streams: Streams, frame: bytes) -> bytes | None:
    """What follows the correlation id; None where the connection was closed."""
    reader, writer = streams
    writer.write(frame)
    try:
        async with asyncio.timeout(5):
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            return (await reader.readexactly(size))[4:]
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def called(streams: Streams, key: int, version: int, request: Any) -> Any:
    payload = await answer(
        streams, encode_request(key, version, request, correlation_id=1, client_id="t")
    )
    assert payload is not None
    return decode_response(key, version, payload)


def test_every_handler_is_registered_under_its_own_key() -> None:
    for key, name in HANDLERS.items():
        found = handler(key)
        assert found is not None
        assert key == found.API_KEY
        assert found is importlib.import_module(f"meghna.broker.handlers.{name}")
        # What ApiVersions reads without importing is what is declared.
        assert api_versions._declared(key) == found.VERSIONS
    assert handler(999) is None


@pytest.mark.parametrize("version", range(5))
async def test_what_is_advertised_in_every_version(tmp_path: Path, version: int) -> None:
    request = m.ApiVersionsRequest("test", "1.0")
    async with running(tmp_path) as broker, connected(broker) as streams:
        told = await called(streams, 18, version, request)
        ranges = {api.api_key: (api.min_version, api.max_version) for api in told.api_keys}
        # Produce from 0, as Kafka says and nobody may use.
        assert (ranges[0], ranges[1], ranges[18]) == ((0, 13), (4, 18), (0, 4))
        assert ranges.keys() == HANDLERS.keys() | {0, 1}
        if version >= 3:
            assert [feature.name for feature in told.finalized_features] == ["metadata.version"]


async def test_a_version_from_the_future_is_answered_in_version_0(tmp_path: Path) -> None:
    async with running(tmp_path) as broker, connected(broker) as streams:
        frame = struct.pack(">hhih", 18, 99, 1, -1) + b"\0\x02a\x02b\0"
        payload = await answer(streams, struct.pack(">i", len(frame)) + frame)
        assert payload is not None
        told = cast("m.ApiVersionsResponse", decode_response(18, 0, payload))
        assert told.error_code == ErrorCode.UNSUPPORTED_VERSION
        assert [tuple(api) for api in told.api_keys] == [(18, 0, 4)]
        # The connection stays.
        assert (await called(streams, 18, 0, m.ApiVersionsRequest())).error_code == 0


async def test_software_has_a_name(tmp_path: Path) -> None:
    async with running(tmp_path) as broker, connected(broker) as streams:
        for name in ("", "-a", "a b"):
            told = await called(streams, 18, 3, m.ApiVersionsRequest(name, "1"))
            assert (told.error_code, told.api_keys) == (ErrorCode.INVALID_REQUEST, ())


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack(">hhih", 3, 99, 1, -1),  # a version of Metadata that nobody knows
        struct.pack(">hhih", 19, 0, 1, -1) + b"\0" * 20,  # one that Kafka dropped
        struct.pack(">hhih", 68, 0, 1, -1) + b"\0" * 20,  # an API that is not served
        struct.pack(">hhih", 999, 0, 1, -1),  # one that nobody knows
        struct.pack(">hhih", 3, 1, 1, -1) + b"\x7f\xff\xff\xff",  # a count beyond the bytes
    ],
)
async def test_what_cannot_be_answered_closes_the_connection(tmp_path: Path, frame: bytes) -> None:
    async with running(tmp_path) as broker:
        async with connected(broker) as streams:
            assert await answer(streams, struct.pack(">i", len(frame)) + frame) is None
        async with connected(broker) as streams:
            assert (await called(streams, 18, 0, m.ApiVersionsRequest())).error_code == 0


async def test_a_bug_closes_the_connection_and_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("a bug")

    found = handler(60)
    monkeypatch.setattr(found, "handle", broken)
    async with running(tmp_path) as broker:
        with caplog.at_level(logging.ERROR, dispatch.__name__):
            for _ in range(3):
                frame = encode_request(
                    60, 0, m.DescribeClusterRequest(), correlation_id=1, client_id=None
                )
                async with connected(broker) as streams:
                    assert await answer(streams, frame) is None
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_an_event_that_fails_does_not_take_the_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    async with running(tmp_path) as broker:
        taken = dispatch.Dispatcher(broker, cast("Any", Events()), broker._tasks)
        monkeypatch.setattr(broker, "partition_failed", broken)
        _, done = taken.expect()
        taken._take()
        assert (await done).base_offset == 5


class Events:
    """A server that has two things to tell."""

    def take(self) -> list[object]:
        return [PartitionFailed("t", 0, "gone"), Appended(1, 0, 5)]


async def test_requests_in_a_row_are_answered_in_their_order(tmp_path: Path) -> None:
    async with running(tmp_path) as broker, connected(broker) as (reader, writer):
        await create(broker, "t")
        asked = m.MetadataRequest(topics=None)
        for number in range(20):
            writer.write(encode_request(3, 9, asked, correlation_id=number, client_id="t"))
        for number in range(20):
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            reply = await reader.readexactly(size)
            assert struct.unpack(">i", reply[:4]) == (number,)
