"""Requests as bytes on a plain socket, for tests that need to see every byte and every delay."""

from __future__ import annotations

import socket
import struct
import time
from typing import TYPE_CHECKING, Self

from meghna._native import batch
from meghna.protocol import messages, wire

if TYPE_CHECKING:
    from collections.abc import Sequence

PRODUCE, FETCH, METADATA, API_VERSIONS, CREATE_TOPICS = 0, 1, 3, 18, 19
# Old enough to say topics by name, new enough for message format 2 everywhere.
PRODUCE_VERSION = 9
METADATA_VERSION = 9
CREATE_TOPICS_VERSION = 5


def framed(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def header(api_key: int, version: int, *, correlation_id: int = 1) -> bytes:
    """A request header without its flexible part."""
    return struct.pack(">hhih", api_key, version, correlation_id, 1) + b"t"


def produce_frame(
    topic: str,
    partition: int,
    values: Sequence[bytes],
    *,
    acks: int,
    correlation_id: int = 1,
) -> bytes:
    now_ms = time.time_ns() // 1_000_000
    data = batch.build([(None, value, (), now_ms) for value in values])
    request = messages.ProduceRequest(
        acks=acks,
        timeout_ms=30_000,
        topic_data=[
            messages.TopicProduceData(
                name=topic,
                partition_data=[messages.PartitionProduceData(index=partition, records=data)],
            )
        ],
    )
    return wire.encode_request(
        PRODUCE, PRODUCE_VERSION, request, correlation_id=correlation_id, client_id="frames"
    )


class Peer:
    """One connection that sends frames and reads replies. Use as a context manager."""

    def __init__(self, port: int, *, timeout_seconds: float = 20.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> bytes:
        """The next reply from its correlation id on. Raises ConnectionError when it is closed."""
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            part = self.socket.recv(size - len(received))
            if not part:
                raise ConnectionResetError("closed by the broker")
            received += part
        return bytes(received)

    def is_closed(self, *, within_seconds: float) -> bool:
        """Whether the broker closes the connection in time; replies until then are read over."""
        deadline = time.monotonic() + within_seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if not self.socket.recv(65536):
                    return True
            except TimeoutError:
                return False
            except OSError:
                return True
        return False

    def call(self, api_key: int, version: int, request: tuple[object, ...]) -> tuple[object, ...]:
        self.send(
            wire.encode_request(api_key, version, request, correlation_id=1, client_id="frames")
        )
        return wire.decode_response(api_key, version, self.reply()[4:])

    def create_topic(self, name: str, *, partitions: int) -> None:
        """Create a topic and wait until all its partitions have a leader."""
        topic = messages.CreatableTopic(name=name, num_partitions=partitions, replication_factor=1)
        request = messages.CreateTopicsRequest(topics=[topic], timeout_ms=30_000)
        answer = self.call(CREATE_TOPICS, CREATE_TOPICS_VERSION, request)
        assert isinstance(answer, messages.CreateTopicsResponse)
        assert answer.topics[0].error_code == 0, answer
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            asked = messages.MetadataRequest(topics=[messages.MetadataRequestTopic(name=name)])
            found = self.call(METADATA, METADATA_VERSION, asked)
            assert isinstance(found, messages.MetadataResponse)
            online = [p for p in found.topics[0].partitions if p.error_code == 0]
            if found.topics[0].error_code == 0 and len(online) == partitions:
                return
            time.sleep(0.02)
        raise AssertionError(f"topic {name} is not there: {found}")

    def produce(self, topic: str, partition: int, values: Sequence[bytes], *, acks: int) -> int:
        """The base offset of what was written."""
        self.send(produce_frame(topic, partition, values, acks=acks))
        answer = wire.decode_response(PRODUCE, PRODUCE_VERSION, self.reply()[4:])
        assert isinstance(answer, messages.ProduceResponse)
        (part,) = answer.responses[0].partition_responses
        assert part.error_code == 0, part
        return part.base_offset
