"""What surrounds messages: headers, frames, and what precedes records, with bytes Kafka wrote."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from meghna import protocol
from meghna.errors import ErrorCode, ProtocolError
from meghna.protocol import wire
from meghna.protocol.messages import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    ConsumerProtocolSubscription,
    HeartbeatRequest,
    HeartbeatResponse,
    MetadataRequest,
    OffsetCommitKey,
    OffsetCommitValue,
    RequestHeader,
    TopicRecord,
)
from protocol.random_values import all_versions, random_message

GOLDEN_RECORDS = Path(__file__).with_name("kafka_records.txt")


# Requests and replies.


def test_a_request_frame_is_size_header_and_body() -> None:
    request = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")
    frame = protocol.encode_request(12, 0, request, correlation_id=7, client_id="c")
    assert frame == (
        b"\0\0\0\x15" b"\0\x0c\0\0\0\0\0\x07" b"\0\1c" b"\0\1g" b"\0\0\0\1" b"\0\1m"
    )  # fmt: skip
    header, body = protocol.decode_request_header(frame[4:])
    assert header == RequestHeader(12, 0, 7, "c")
    assert protocol.decode_request(12, 0, frame[4 + body :]) == request


def test_a_flexible_request_has_tags_behind_a_client_id_that_is_not_compact() -> None:
    request = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")
    frame = protocol.encode_request(12, 4, request, correlation_id=7, client_id=None)
    assert frame[12:15] == b"\xff\xff\0"
    header, body = protocol.decode_request_header(frame[4:])
    assert header.client_id is None
    assert protocol.decode_request(12, 4, frame[4 + body :]) == request


def test_a_header_may_name_a_version_that_kafka_lacks() -> None:
    header, body = protocol.decode_request_header(b"\0\x12\x03\xe7\0\0\0\x01\0\1c\0rest")
    assert header.request_api_version == 999
    assert body == 12


@pytest.mark.parametrize(
    "frame",
    [b"", b"\0", b"\0\3\0", b"\0\3\0\0", b"\0\3\0\0\0\0\0\1\0\5abc", b"\0\4\0\0\0\0\0\1\0\0"],
)
def test_a_malformed_header_is_refused(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.decode_request_header(frame)


def test_bytes_behind_a_request_are_ignored_as_kafka_does() -> None:
    assert protocol.decode_request(3, 9, b"\0\1\0\0\0more") == MetadataRequest(topics=None)


def test_a_reply_begins_with_tags_where_its_header_is_flexible() -> None:
    reply = HeartbeatResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID)
    assert protocol.encode_response(12, 3, reply) == b"\0\0\0\0\0\x19"
    assert protocol.encode_response(12, 4, reply) == b"\0\0\0\0\0\0\x19\0"
    assert protocol.decode_response(12, 4, b"\0\0\0\0\0\0\x19\0") == reply


def test_the_header_of_an_api_versions_reply_is_never_flexible() -> None:
    reply = ApiVersionsResponse(error_code=35)
    for version in range(5):
        payload = protocol.encode_response(18, version, reply)
        assert payload[:2] == b"\0\x23"
        assert protocol.decode_response(18, version, payload) == reply
    assert protocol.encode_request(
        18, 3, ApiVersionsRequest(), correlation_id=1, client_id=""
    ).endswith(b"\0\0" b"\0" b"\1\1\0")  # fmt: skip


def test_tags_in_a_reply_header_are_passed_over() -> None:
    assert protocol.decode_response(12, 4, b"\1\x05\2ab\0\0\0\0\0\0\0") == HeartbeatResponse()


def test_bytes_behind_a_reply_are_refused() -> None:
    with pytest.raises(ProtocolError, match="1 bytes are left over"):
        protocol.decode_response(12, 0, b"\0\0\0")


def test_an_api_that_kafka_lacks_is_refused() -> None:
    for api_key in (4, 93, -1, 32767):
        with pytest.raises(ProtocolError):
            protocol.decode_request(api_key, 0, b"")
        with pytest.raises(ProtocolError):
            protocol.is_flexible(api_key, 0)
        assert protocol.api_name(api_key) is None
    assert protocol.api_name(3) == "Metadata"
    assert protocol.is_flexible(3, 9)
    assert not protocol.is_flexible(3, 8)


def test_every_request_and_reply_survives_its_frame() -> None:
    rng = random.Random(1)
    for definition, version in all_versions("request", "response"):
        value = random_message(rng, definition, version)
        key = definition.api_key
        if definition.kind == "request":
            frame = protocol.encode_request(key, version, value, correlation_id=1, client_id="é")
            assert int.from_bytes(frame[:4], "big") == len(frame) - 4
            _, body = protocol.decode_request_header(frame[4:])
            assert protocol.decode_request(key, version, frame[4 + body :]) == value
        else:
            payload = protocol.encode_response(key, version, value)
            assert protocol.decode_response(key, version, payload) == value


# Records.


def golden_records() -> list[tuple[str, bytes | None, bytes | None]]:
    rows = []
    for line in GOLDEN_RECORDS.read_text().splitlines():
        if not line.startswith("#"):
            log, key, value = line.split(" ")
            rows.append((log, unhex(key), unhex(value)))
    return rows


def unhex(word: str) -> bytes | None:
    return None if word == "-" else bytes.fromhex(word)


def test_records_that_kafka_wrote_are_written_back_byte_for_byte() -> None:
    names = set()
    for log, key, value in golden_records():
        if log == "metadata":
            assert value is not None
            name, version, message = protocol.decode_metadata_record(value)
            assert protocol.encode_record(name, version, message) == value
        else:
            assert key is not None
            name, key_message, message_or_none = protocol.decode_coordinator_record(log, key, value)
            assert protocol.encode_record(f"{name}Key", 0, key_message) == key
            assert (message_or_none is None) == (value is None)
            if value is not None:
                assert message_or_none is not None
                version = int.from_bytes(value[:2], "big")
                again = protocol.encode_record(f"{name}Value", version, message_or_none)
                assert again == value
        names.add(name)
    assert {"OffsetCommit", "GroupMetadata", "TransactionLog", "PartitionRecord"} <= names


def test_a_coordinator_key_begins_with_its_id_and_a_value_with_its_version() -> None:
    key = OffsetCommitKey(group="g", topic="t", partition=2)
    value = OffsetCommitValue(offset=5, metadata="m", commit_timestamp=9)
    assert protocol.encode_record("OffsetCommitKey", 0, key)[:2] == b"\0\1"
    assert protocol.encode_record("OffsetCommitValue", 4, value)[:2] == b"\0\4"
    assert protocol.decode_record(
        "OffsetCommitValue", None, protocol.encode_record("OffsetCommitValue", 3, value)
    ) == value  # fmt: skip


def test_a_metadata_record_begins_with_frame_id_and_version() -> None:
    record = TopicRecord(name="t", topic_id=bytes(range(16)))
    data = protocol.encode_record("TopicRecord", 0, record)
    assert data == b"\1\2\0\2t" + bytes(range(16)) + b"\0"
    assert protocol.decode_metadata_record(data) == ("TopicRecord", 0, record)


def test_records_of_other_ids_and_versions_are_refused() -> None:
    key = protocol.encode_record("OffsetCommitKey", 0, OffsetCommitKey())
    value = protocol.encode_record("OffsetCommitValue", 4, OffsetCommitValue())
    for log, wrong_key, wrong_value in (
        ("group", b"\0\x63" + key[2:], value),
        ("group", b"\0", value),
        ("group", key, b"\0\x63" + value[2:]),
        ("group", key, b"\0"),
        ("group", key + b"\0", value),
        ("group", key, value + b"\0"),
        ("transaction", key, value),
    ):
        with pytest.raises(ProtocolError):
            protocol.decode_coordinator_record(log, wrong_key, wrong_value)
    with pytest.raises(ProtocolError):
        protocol.decode_record("OffsetCommitValue", 3, value)
    for data in (b"", b"\1\2", b"\2\2\0", b"\1\x63\0", b"\1\2\x07\2t" + bytes(17), b"\1\x82\0\0"):
        with pytest.raises(ProtocolError):
            protocol.decode_metadata_record(data)


def test_a_data_message_has_nothing_before_its_fields() -> None:
    subscription = ConsumerProtocolSubscription(topics=("t",), user_data=None)
    fields = protocol.encode_fields(0, subscription)
    assert fields == b"\0\0\0\1\0\1t\xff\xff\xff\xff"
    assert protocol.decode_fields(ConsumerProtocolSubscription, 0, fields) == subscription
    assert protocol.encode_record("ConsumerProtocolSubscription", 0, subscription) == fields
    with pytest.raises(KeyError):
        wire.encode_record("NoSuchRecord", 0, subscription)
