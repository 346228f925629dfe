"""Frames that promise more than they bring: the broker refuses them without paying for them.

Each shape is one of the known ways to make a broker allocate by a number that a stranger chose. It
is sent many times, over connections that stay open, and afterwards the broker answers and its
anonymous memory has grown by less than a small multiple of the bytes that it received.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

import pytest

from meghna._native import batch
from meghna.errors import ErrorCode
from meghna.protocol import messages, wire
from support.broker import answers
from support.frames import (
    API_VERSIONS,
    CREATE_TOPICS,
    FETCH,
    METADATA,
    PRODUCE,
    Peer,
    framed,
    header,
    produce_frame,
)

if TYPE_CHECKING:
    from support.broker import BrokerProcess

pytestmark = pytest.mark.timeout(120)

MIB = 1024 * 1024
CONNECTIONS = 100
# What the broker may keep for CONNECTIONS hostile connections besides a multiple of their bytes:
# their buffers and sessions, and what its allocator does not give back at once.
GROWTH_MAX = 16 * MIB
GROWTH_FACTOR = 4  # peak allocation of a request over its bytes

INT32_MAX, INT16_MAX = 2**31 - 1, 2**15 - 1
VARINT_MAX = b"\xff\xff\xff\xff\x0f"  # 2^32 - 1
VARINT_OVERLONG = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
FLEXIBLE = b"\0"  # an empty tag section


def count(number: int) -> bytes:
    return struct.pack(">i", number)


def batch_with(**changes: int) -> bytes:
    """A sound batch of one record with header fields overwritten, its checksum made right again."""
    places = {"size": (8, ">i"), "last_offset_delta": (23, ">i"), "record_count": (57, ">i")}
    data = bytearray(batch.build([(None, b"value", (), 0)]))
    for name, number in changes.items():
        position, form = places[name]
        struct.pack_into(form, data, position, number)
    struct.pack_into(">I", data, 17, batch.crc32c(bytes(data[21:])))
    return bytes(data)


def produce_of(data: bytes) -> bytes:
    part = messages.PartitionProduceData(index=0, records=data)
    topic = messages.TopicProduceData(name="t", partition_data=[part])
    request = messages.ProduceRequest(acks=1, timeout_ms=1000, topic_data=[topic])
    return wire.encode_request(PRODUCE, 9, request, correlation_id=1, client_id="t")


def record_of(body: bytes) -> bytes:
    """A batch around one hand-made record body."""
    data = bytearray(batch.build([(None, b"", (), 0)])[:61])
    data += bytes([len(body) << 1]) + body if len(body) < 64 else body
    struct.pack_into(">i", data, 8, len(data) - 12)
    struct.pack_into(">I", data, 17, batch.crc32c(bytes(data[21:])))
    return bytes(data)


def uvarint(number: int) -> bytes:
    assert 0 <= number < 2**14
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])


many_tags = VARINT_MAX + b"\x01\x00" * 1000
true_tags = uvarint(1000) + b"".join(uvarint(tag) + b"\0" for tag in range(100, 1100))

# name → the bytes after the size. The size is made right; sizes that lie are tested below.
SHAPES: dict[str, bytes] = {
    "metadata: int32 array count": header(METADATA, 1) + count(INT32_MAX),
    "metadata: negative array count": header(METADATA, 1) + count(-2),
    "metadata: compact array count": header(METADATA, 12) + FLEXIBLE + VARINT_MAX,
    "metadata: overlong varint": header(METADATA, 12) + FLEXIBLE + VARINT_OVERLONG,
    "metadata: string longer than the frame": header(METADATA, 1) + count(1) + b"\x7f\xff",
    "metadata: negative string size": header(METADATA, 1) + count(1) + b"\xff\xfe",
    "metadata: compact string size": (
        header(METADATA, 12) + FLEXIBLE + b"\x02" + bytes(16) + VARINT_MAX
    ),
    "header: tag count": header(METADATA, 12) + many_tags,
    "header: tag size": header(METADATA, 12) + b"\x01\x01" + VARINT_MAX,
    "body: a thousand unknown tags": (
        header(METADATA, 12) + FLEXIBLE + b"\x01" + b"\0\0" + true_tags
    ),
    "header: client id longer than the frame": struct.pack(">hhih", 3, 1, 1, INT16_MAX),
    "header: client id of negative size": struct.pack(">hhih", 3, 1, 1, -2),
    "header: cut": struct.pack(">hh", 3, 1),
    "header: empty": b"",
    "header: unknown api key": struct.pack(">hhih", 9999, 0, 1, -1),
    "header: negative api key": struct.pack(">hhih", -1, 0, 1, -1),
    "header: unknown version": struct.pack(">hhih", METADATA, 99, 1, -1),
    "produce: topic count": header(PRODUCE, 3) + struct.pack(">hhii", -1, 1, 1000, INT32_MAX),
    "produce: partition count": (
        header(PRODUCE, 3) + struct.pack(">hhii", -1, 1, 1000, 1) + b"\0\1t" + count(INT32_MAX)
    ),
    "produce: records size": (
        header(PRODUCE, 3)
        + struct.pack(">hhii", -1, 1, 1000, 1)
        + b"\0\1t"
        + struct.pack(">iii", 1, 0, INT32_MAX)
    ),
    "produce: compact topic count": (
        header(PRODUCE, 9) + FLEXIBLE + b"\0" + struct.pack(">hi", 1, 1000) + VARINT_MAX
    ),
    "produce: batch size beyond the records": produce_of(batch_with(size=INT32_MAX)),
    "produce: negative batch size": produce_of(batch_with(size=-1)),
    "produce: record count": produce_of(
        batch_with(record_count=INT32_MAX, last_offset_delta=INT32_MAX - 1)
    ),
    "produce: negative record count": produce_of(batch_with(record_count=-1)),
    "produce: count and delta differ": produce_of(batch_with(last_offset_delta=7)),
    "produce: header count in a record": produce_of(
        record_of(b"\0\0\0\x01\x01" + VARINT_MAX)  # attributes, deltas, null key and value
    ),
    "produce: key size in a record": produce_of(record_of(b"\0\0\0" + b"\xfe\xff\xff\xff\x0f")),
    "produce: overlong varint in a record": produce_of(record_of(b"\0" + VARINT_OVERLONG)),
    "fetch: topic count": (
        header(FETCH, 4) + struct.pack(">iiiib", -1, 0, 1, INT32_MAX, 0) + count(INT32_MAX)
    ),
    "fetch: forgotten count": (
        header(FETCH, 7)
        + struct.pack(">iiiibii", -1, 0, 1, INT32_MAX, 0, 0, -1)
        + count(0)
        + count(INT32_MAX)
    ),
    "join group: protocol count": (
        header(11, 5) + b"\0\1g" + struct.pack(">ii", 10000, 10000) + b"\0\0" + b"\xff\xff"
        + b"\0\1c" + count(INT32_MAX)
    ),
    "join group: metadata size": (
        header(11, 5) + b"\0\1g" + struct.pack(">ii", 10000, 10000) + b"\0\0" + b"\xff\xff"
        + b"\0\1c" + count(1) + b"\0\1r" + count(INT32_MAX)
    ),
    "create topics: count": header(CREATE_TOPICS, 2) + count(INT32_MAX),
    "create topics: assignment count": (
        header(CREATE_TOPICS, 2) + count(1) + b"\0\1x" + struct.pack(">ih", -1, -1)
        + count(INT32_MAX)
    ),
    "find coordinator: key count": header(10, 4) + FLEXIBLE + b"\0" + VARINT_MAX,
    "api versions: bytes that are no text": (
        header(API_VERSIONS, 3) + FLEXIBLE + b"\x05\xff\xfe\xfd\xfc\x01\0"
    ),
    "sasl: before it was asked for": header(36, 0) + count(INT32_MAX),
}  # fmt: skip


def settled_memory(broker: BrokerProcess) -> int:
    time.sleep(0.1)
    return broker.anonymous_memory()


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_shape_costs_no_more_than_its_bytes(target: BrokerProcess, name: str) -> None:
    frame = framed(SHAPES[name])
    before = settled_memory(target)
    peers = [Peer(target.port) for _ in range(CONNECTIONS)]
    try:
        for peer in peers:
            peer.send(frame)
        assert answers(target.port)
        growth = settled_memory(target) - before
    finally:
        for peer in peers:
            peer.socket.close()
    assert target.is_alive()
    assert growth < GROWTH_MAX + GROWTH_FACTOR * len(frame) * CONNECTIONS


@pytest.mark.parametrize("size", [-1, -(2**31), 100 * MIB + 1, INT32_MAX])
def test_a_size_that_no_frame_has_closes_the_connection(target: BrokerProcess, size: int) -> None:
    with Peer(target.port) as peer:
        peer.send(struct.pack(">i", size) + b"x" * 100)
        assert peer.is_closed(within_seconds=5)
    assert target.is_alive()


def test_a_promised_size_is_not_allocated(target: BrokerProcess) -> None:
    before = settled_memory(target)
    peers = [Peer(target.port) for _ in range(CONNECTIONS)]
    try:
        for peer in peers:  # 10 GB promised, 4 kB brought
            peer.send(struct.pack(">i", 100 * MIB) + header(PRODUCE, 9))
        assert answers(target.port)
        assert settled_memory(target) - before < GROWTH_MAX
    finally:
        for peer in peers:
            peer.socket.close()


def test_garbage_and_other_protocols_are_turned_away(target: BrokerProcess) -> None:
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\0" * 64):
        with Peer(target.port) as peer:
            peer.send(data + b"\xff" * 1000)
    assert target.is_alive()


def test_a_reader_that_does_not_read_is_not_buffered_for(target: BrokerProcess) -> None:
    ask = framed(header(METADATA, 1) + count(-1))
    before = settled_memory(target)
    with Peer(target.port) as peer:
        peer.socket.settimeout(1.0)
        sent = 0
        try:
            while sent < 64 * MIB:
                peer.send(ask * 1000)
                sent += len(ask) * 1000
        except OSError:
            pass  # the broker stopped reading, or had enough
        assert answers(target.port), "others are still served"
        assert settled_memory(target) - before < 64 * MIB
    assert target.is_alive()


def test_fetched_replies_are_not_piled_up_for_a_reader_that_does_not_read(
    target: BrokerProcess,
) -> None:
    with Peer(target.port) as peer:
        peer.produce("t", 1, [bytes(900_000)], acks=1)
    partition = messages.FetchRequestFetchPartition(partition=1, partition_max_bytes=MIB)
    topic = messages.FetchRequestFetchTopic(topic="t", partitions=[partition])
    request = messages.FetchRequest(max_wait_ms=100, min_bytes=1, topics=[topic])
    ask = wire.encode_request(FETCH, 11, request, correlation_id=1, client_id="t")
    before = settled_memory(target)
    peers = [Peer(target.port) for _ in range(10)]
    try:
        for peer in peers:
            peer.send(ask * 200)  # 1.8 GB of replies in all
        assert answers(target.port)
        assert settled_memory(target) - before < 64 * MIB
    finally:
        for peer in peers:
            peer.socket.close()
    assert target.is_alive()


@pytest.mark.parametrize("name", ["..", ".", "../../escape", "a/b", "", "x" * 250, "é", "a\0b"])
def test_a_topic_cannot_be_named_after_a_place(target: BrokerProcess, name: str) -> None:
    topic = messages.CreatableTopic(name=name, num_partitions=1, replication_factor=1)
    with Peer(target.port) as peer:
        request = messages.CreateTopicsRequest(topics=[topic], timeout_ms=1000)
        answer = peer.call(CREATE_TOPICS, 5, request)
        assert isinstance(answer, messages.CreateTopicsResponse)
        assert answer.topics[0].error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
        asked = messages.MetadataRequest(topics=[messages.MetadataRequestTopic(name=name)])
        peer.call(METADATA, 4, asked)
        peer.send(produce_frame(name, 0, [b"v"], acks=1))
    assert not list(target.directory.glob("*escape*"))
    assert target.is_alive()


def test_a_request_for_too_much_is_refused_not_attempted(target: BrokerProcess) -> None:
    before = settled_memory(target)
    with Peer(target.port, timeout_seconds=60) as peer:
        for partitions in (INT32_MAX, 10_000_000):
            topic = messages.CreatableTopic(
                name="huge", num_partitions=partitions, replication_factor=1
            )
            request = messages.CreateTopicsRequest(topics=[topic], timeout_ms=1000)
            answer = peer.call(CREATE_TOPICS, 5, request)
            assert isinstance(answer, messages.CreateTopicsResponse)
            assert answer.topics[0].error_code != 0
        names = [messages.MetadataRequestTopic(name=f"n{i}") for i in range(100_000)]
        peer.call(
            METADATA, 4, messages.MetadataRequest(topics=names, allow_auto_topic_creation=False)
        )
    assert target.is_alive()
    assert settled_memory(target) - before < 256 * MIB


def test_a_fetch_with_mad_limits_is_answered_or_waits(target: BrokerProcess) -> None:
    partition = messages.FetchRequestFetchPartition(partition=0, partition_max_bytes=-1)
    topic = messages.FetchRequestFetchTopic(topic="t", partitions=[partition])
    for limits in ((INT32_MAX, INT32_MAX, -1), (-1, -1, 0), (0, INT32_MAX, 1)):
        wait, smallest, largest = limits
        request = messages.FetchRequest(
            max_wait_ms=wait, min_bytes=smallest, max_bytes=largest, topics=[topic]
        )
        with Peer(target.port) as peer:
            peer.send(wire.encode_request(FETCH, 11, request, correlation_id=1, client_id="t"))
    assert target.is_alive()
