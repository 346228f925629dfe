"""The protocol codec beside kio and kafka-python, in one run: the messages a broker meets most.

    python -m pytest benchmarks/bench_codec.py --benchmark-columns=median,min --benchmark-sort=name

A decode row includes the request header; an encode row begins with the object ready, except the
one that builds it too. All three codecs read and write the same bytes, which is asserted first.
"""

from __future__ import annotations

import importlib
import io
import pkgutil
from typing import TYPE_CHECKING, NamedTuple

import kafka.protocol
import pytest
from kafka.protocol.api_message import ApiMessage
from kio.index import load_request_schema, load_response_schema
from kio.schema.request_header.v1 import header as header_v1
from kio.schema.request_header.v2 import header as header_v2
from kio.serial import entity_reader, entity_writer

from meghna import protocol
from meghna.protocol import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

SECONDS_EACH = 0.15
RECORDS = bytes(range(256)) * 64  # 16 KiB
CODECS = ("meghna", "kio", "kafka-python")


class Row(NamedTuple):
    name: str
    api_key: int
    version: int
    make: Callable[[], tuple[object, ...]]


def topic_name(index: int) -> str:
    return f"topic-{index:010d}"


def metadata_request(topics: int) -> tuple[object, ...]:
    return m.MetadataRequest([m.MetadataRequestTopic(name=topic_name(i)) for i in range(topics)])


def fetch_request(version: int) -> tuple[object, ...]:
    partitions = [
        m.FetchRequestFetchPartition(
            partition=index, current_leader_epoch=3, fetch_offset=index * 1000, log_start_offset=0,
            partition_max_bytes=1 << 20,
        )
        for index in range(50)
    ]  # fmt: skip
    named = {"topic": "orders"} if version < 13 else {"topic_id": bytes(range(16))}
    return m.FetchRequest(
        max_wait_ms=500, min_bytes=1, max_bytes=1 << 25,
        topics=[m.FetchRequestFetchTopic(partitions=partitions, **named)],
    )  # fmt: skip


def produce_request() -> tuple[object, ...]:
    partition = m.PartitionProduceData(index=0, records=RECORDS)
    topic = m.TopicProduceData(name="orders", partition_data=[partition])
    return m.ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[topic])


def join_group_request() -> tuple[object, ...]:
    protocols = [m.JoinGroupRequestProtocol(name=name, metadata=bytes(150)) for name in "abc"]
    return m.JoinGroupRequest(
        group_id="group", session_timeout_ms=45_000, rebalance_timeout_ms=300_000,
        member_id="member-" + "0" * 36, protocol_type="consumer", protocols=protocols,
    )  # fmt: skip


def sync_group_request() -> tuple[object, ...]:
    assignments = [
        m.SyncGroupRequestAssignment(member_id=f"member-{index}", assignment=bytes(240))
        for index in range(10)
    ]
    return m.SyncGroupRequest("group", 5, "member-0", None, "consumer", "range", assignments)


def offset_commit_request() -> tuple[object, ...]:
    partitions = [
        m.OffsetCommitRequestPartition(index, index * 1000, committed_leader_epoch=3,
                                       committed_metadata="meta")
        for index in range(50)
    ]  # fmt: skip
    topic = m.OffsetCommitRequestTopic(name="orders", partitions=partitions)
    return m.OffsetCommitRequest("group", 5, "member-0", topics=[topic])


def metadata_response() -> tuple[object, ...]:
    return m.MetadataResponse(
        brokers=[m.MetadataResponseBroker(i, f"broker-{i}.example.org", 9092) for i in range(3)],
        cluster_id="cluster", controller_id=1,
        topics=[
            m.MetadataResponseTopic(
                name=topic_name(topic), topic_id=topic.to_bytes(16, "big"),
                partitions=[
                    m.MetadataResponsePartition(
                        partition_index=index, leader_id=index, leader_epoch=3,
                        replica_nodes=(0, 1, 2), isr_nodes=(0, 1, 2),
                    )
                    for index in range(3)
                ],
            )
            for topic in range(100)
        ],
    )  # fmt: skip


def fetch_response(version: int) -> tuple[object, ...]:
    partitions = [
        m.FetchResponsePartitionData(partition_index=index, high_watermark=100, records=RECORDS,
                                     last_stable_offset=100, log_start_offset=0)
        for index in range(50)
    ]  # fmt: skip
    named = {"topic": "orders"} if version < 13 else {"topic_id": bytes(range(16))}
    topic = m.FetchableTopicResponse(partitions=partitions, **named)
    return m.FetchResponse(responses=[topic])


def produce_response() -> tuple[object, ...]:
    partition = m.PartitionProduceResponse(index=0, base_offset=100, log_start_offset=0)
    return m.ProduceResponse([m.TopicProduceResponse("orders", partition_responses=[partition])])


def join_group_response() -> tuple[object, ...]:
    members = [
        m.JoinGroupResponseMember(f"member-{index}", None, bytes(230)) for index in range(10)
    ]
    return m.JoinGroupResponse(
        generation_id=5, protocol_type="consumer", protocol_name="range", leader="member-0",
        member_id="member-0", members=members,
    )  # fmt: skip


def sync_group_response() -> tuple[object, ...]:
    return m.SyncGroupResponse(0, 0, "consumer", "range", bytes(200))


def offset_commit_response() -> tuple[object, ...]:
    partitions = [m.OffsetCommitResponsePartition(index) for index in range(50)]
    return m.OffsetCommitResponse(0, [m.OffsetCommitResponseTopic("orders", partitions=partitions)])


def api_versions_response() -> tuple[object, ...]:
    return m.ApiVersionsResponse(api_keys=[m.ApiVersion(key, 0, 9) for key in range(70)])


DECODED = (
    Row("ApiVersions v4", 18, 4, lambda: m.ApiVersionsRequest("a client", "1.0")),
    Row("Metadata v12, 1 topic", 3, 12, lambda: metadata_request(1)),
    Row("Metadata v12, 100 topics", 3, 12, lambda: metadata_request(100)),
    Row("Fetch v12, 50 partitions", 1, 12, lambda: fetch_request(12)),
    Row("Fetch v16, 50 partitions", 1, 16, lambda: fetch_request(16)),
    Row("Produce v9, 16 KiB", 0, 9, produce_request),
    Row("Produce v12, 16 KiB", 0, 12, produce_request),
    Row("JoinGroup v9", 11, 9, join_group_request),
    Row("SyncGroup v5, 10 members", 14, 5, sync_group_request),
    Row("OffsetCommit v9, 50 partitions", 8, 9, offset_commit_request),
    Row("Heartbeat v4", 12, 4, lambda: m.HeartbeatRequest("group", 5, "member-0")),
)
ENCODED = (
    Row("Metadata v12, 100 topics x 3", 3, 12, metadata_response),
    Row("Fetch v12, 50 x 16 KiB", 1, 12, lambda: fetch_response(12)),
    Row("Fetch v16, 50 x 16 KiB", 1, 16, lambda: fetch_response(16)),
    Row("Produce v9", 0, 9, produce_response),
    Row("JoinGroup v9, 10 members", 11, 9, join_group_response),
    Row("SyncGroup v5", 14, 5, sync_group_response),
    Row("OffsetCommit v9, 50 partitions", 8, 9, offset_commit_response),
    Row("Heartbeat v4", 12, 4, m.HeartbeatResponse),
    Row("ApiVersions v4, 70 keys", 18, 4, api_versions_response),
)


def kafka_python_classes() -> dict[str, type[ApiMessage]]:
    found = {}
    for module in pkgutil.walk_packages(kafka.protocol.__path__, "kafka.protocol."):
        if ".old" not in module.name and "generate" not in module.name:
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, type) and issubclass(value, ApiMessage):
                    found[name] = value
    return found


KAFKA_PYTHON = kafka_python_classes()


def run(benchmark: BenchmarkFixture, action: Callable[[], object]) -> object:
    benchmark._max_time = SECONDS_EACH
    return benchmark(action)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("row", DECODED, ids=lambda row: row.name)
def test_decode(benchmark: BenchmarkFixture, row: Row, codec: str) -> None:
    benchmark.group = f"decode {row.name}"
    frame = protocol.encode_request(
        row.api_key, row.version, row.make(), correlation_id=1, client_id="bench"
    )[4:]
    benchmark.extra_info["size"] = len(frame)
    run(benchmark, decoder(codec, row, frame))


def decoder(codec: str, row: Row, frame: bytes) -> Callable[[], object]:
    if codec == "meghna":

        def decode() -> object:
            header, body = protocol.decode_request_header(frame)
            api_key, version = header.request_api_key, header.request_api_version
            return protocol.decode_request(api_key, version, memoryview(frame)[body:])

        return decode
    if codec == "kio":
        is_flexible = protocol.is_flexible(row.api_key, row.version)
        read_header = entity_reader((header_v2 if is_flexible else header_v1).RequestHeader)
        read = entity_reader(load_request_schema(row.api_key, row.version))

        def decode_kio() -> object:
            _, size = read_header(frame, 0)
            return read(frame, size)

        return decode_kio
    theirs = KAFKA_PYTHON[f"{protocol.api_name(row.api_key)}Request"]
    return lambda: theirs.decode(frame, version=row.version, header=True)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("row", ENCODED, ids=lambda row: row.name)
def test_encode(benchmark: BenchmarkFixture, row: Row, codec: str) -> None:
    benchmark.group = f"encode {row.name}"
    encode, data = encoder(codec, row)
    assert encode() == data
    benchmark.extra_info["size"] = len(data)
    run(benchmark, encode)


def encoder(codec: str, row: Row) -> tuple[Callable[[], bytes], bytes]:
    value = row.make()
    payload = protocol.encode_response(row.api_key, row.version, value)
    body = protocol.encode_fields(row.version, value)
    if codec == "meghna":
        return lambda: protocol.encode_response(row.api_key, row.version, value), payload
    if codec == "kio":
        schema = load_response_schema(row.api_key, row.version)
        write = entity_writer(schema)
        entity, _ = entity_reader(schema)(body, 0)

        def encode_kio() -> bytes:
            written = io.BytesIO()
            write(written, entity)
            return written.getvalue()

        return encode_kio, body
    theirs = KAFKA_PYTHON[f"{protocol.api_name(row.api_key)}Response"].decode(
        body, version=row.version
    )
    theirs._header = None  # Its decoder leaves out what its encoder looks at.
    return lambda: bytes(theirs.encode(version=row.version)), body


def test_decode_a_body_alone(benchmark: BenchmarkFixture) -> None:
    # What the control plane does: its header was read by the C core.
    benchmark.group = "decode Heartbeat v4"
    request = m.HeartbeatRequest("group", 5, "member-0")
    body = protocol.encode_fields(4, request)
    assert run(benchmark, lambda: protocol.decode_request(12, 4, body)) == request


def test_build_and_encode_metadata(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "encode Metadata v12, 100 topics x 3"
    run(benchmark, lambda: protocol.encode_response(3, 12, metadata_response()))
