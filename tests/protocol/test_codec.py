"""The codec: every message of every version there and back, and every way to be malformed."""

from __future__ import annotations

import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from meghna import protocol
from meghna.errors import ProtocolError
from meghna.protocol.messages import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupMemberMetadataValue,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
    DescribeClientQuotasResponse,
    DescribeClientQuotasResponseEntryData,
    FinalizedFeatureKey,
    HeartbeatRequest,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    PartitionChangeRecord,
    SaslAuthenticateRequest,
    SupportedFeatureKey,
    ValueData,
)
from meghna.protocol.plans import plan
from meghna.protocol.wire import REQUEST_VALUES_MAX
from protocol.random_values import all_versions, random_message

if TYPE_CHECKING:
    from collections.abc import Callable

METADATA = 3
HEARTBEAT = 12
API_VERSIONS = 18


def uvarint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    return bytes(out) + bytes([value])


def refused(api_key: int, version: int, body: bytes) -> str:
    """Why the request is refused."""
    with pytest.raises(ProtocolError) as caught:
        protocol.decode_request(api_key, version, body)
    return str(caught.value)


def memory_peak(action: Callable[[], object]) -> int:
    """Bytes allocated at most while it ran."""
    action()  # Plans and classes are made once.
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# There and back.


@pytest.mark.parametrize("seed", range(3))
def test_every_message_survives_in_every_version(seed: int) -> None:
    rng = random.Random(seed)
    for definition, version in all_versions():
        message = random_message(rng, definition, version)
        data = plan(definition.name, version).encode(message, b"")
        again, end = plan(definition.name, version).decode(data, 0, REQUEST_VALUES_MAX)
        assert again == message
        assert type(again) is type(message)
        assert end == len(data)
        assert len(data) >= plan(definition.name, version).size_min


def test_truncation_at_every_byte_is_refused() -> None:
    rng = random.Random(4)
    for definition, version in all_versions():
        message = random_message(rng, definition, version)
        data = plan(definition.name, version).encode(message, b"")
        for size in range(min(len(data), 600)):
            with pytest.raises(ProtocolError):
                plan(definition.name, version).decode(data[:size], 0, REQUEST_VALUES_MAX)


def test_defaults_survive_in_every_version() -> None:
    for definition, version in all_versions():
        made = plan(definition.name, version)
        data = made.encode(made.cls(), b"")
        assert made.decode(data, 0, 0) == (made.cls(), len(data))


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
def test_bytes_are_read_from_and_written_from_any_buffer(buffer: Callable[[bytes], bytes]) -> None:
    request = SaslAuthenticateRequest(auth_bytes=buffer(b"secret"))
    data = protocol.encode_fields(2, request)
    assert data == b"\x07secret\0"
    again = protocol.decode_fields(SaslAuthenticateRequest, 2, buffer(data))
    assert again.auth_bytes == b"secret"
    assert type(again.auth_bytes) is bytes


def test_lists_and_tuples_are_arrays() -> None:
    topics = (MetadataRequestTopic(name="a"), MetadataRequestTopic(name="b"))
    as_tuple = protocol.encode_fields(1, MetadataRequest(topics=topics))
    assert protocol.encode_fields(1, MetadataRequest(topics=list(topics))) == as_tuple
    assert type(protocol.decode_fields(MetadataRequest, 1, as_tuple).topics) is tuple


def test_a_large_message_grows_its_buffer() -> None:
    request = SaslAuthenticateRequest(auth_bytes=bytes(3_000_000))
    assert len(protocol.encode_fields(2, request)) == 3_000_000 + 4 + 1


# Tagged fields.


def test_a_tagged_field_at_its_default_is_not_written() -> None:
    assert protocol.encode_response(API_VERSIONS, 3, ApiVersionsResponse()) == (
        b"\0\0" b"\1" b"\0\0\0\0" b"\0"
    )  # fmt: skip
    empty_lists = ApiVersionsResponse(supported_features=[], finalized_features=[])
    assert protocol.encode_response(API_VERSIONS, 3, empty_lists)[-1:] == b"\0"


def test_tagged_fields_are_written_in_the_order_of_their_tags() -> None:
    # The definition names the field of tag 8 before those of tags 6 and 7.
    record = PartitionChangeRecord(directories=(), eligible_leader_replicas=(), last_known_elr=())
    data = protocol.encode_fields(2, record)
    assert data[20:] == b"\3\6\1\1\7\1\1\x08\1\1"
    assert protocol.decode_fields(PartitionChangeRecord, 2, data) == record


def test_a_long_tagged_field_has_a_long_size() -> None:
    for count in (5, 6, 7, 700, 100_000):
        features = tuple(SupportedFeatureKey("x" * 16, 0, 1) for _ in range(count))
        response = ApiVersionsResponse(
            supported_features=features,
            finalized_features=(FinalizedFeatureKey("y", 1, 1),),
        )
        payload = protocol.encode_response(API_VERSIONS, 4, response)
        assert protocol.decode_response(API_VERSIONS, 4, payload) == response


def test_a_tagged_null_struct_is_marked_by_a_varint() -> None:
    # As Kafka 4.3's ConsumerGroupMemberMetadataValue writes itself with no classic member.
    value = ConsumerGroupMemberMetadataValue(classic_member_metadata=None)
    data = bytes.fromhex("010101010101ffffffff0101000100")
    assert protocol.encode_fields(0, value) == data
    assert protocol.decode_fields(ConsumerGroupMemberMetadataValue, 0, data) == value


def test_an_untagged_null_struct_is_marked_by_minus_one() -> None:
    response = ConsumerGroupHeartbeatResponse(assignment=None)
    data = protocol.encode_fields(0, response)
    assert data[-2:] == b"\xff\0"
    assert protocol.decode_fields(ConsumerGroupHeartbeatResponse, 0, data) == response


HEARTBEAT_4 = b"\2g\0\0\0\1\2m\0"


def test_unknown_tagged_fields_are_passed_over_and_not_stored() -> None:
    known = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")
    assert protocol.decode_request(HEARTBEAT, 4, HEARTBEAT_4 + b"\0") == known
    tagged = HEARTBEAT_4 + b"\2\x63\3abc\xff\xff\xff\xff\x0f\0"
    assert protocol.decode_request(HEARTBEAT, 4, tagged) == known
    large = HEARTBEAT_4 + b"\1\x63" + uvarint(1_000_000) + bytes(1_000_000)
    assert memory_peak(lambda: protocol.decode_request(HEARTBEAT, 4, large)) < 10_000


def test_malformed_tag_sections_are_refused() -> None:
    for section in (
        b"",
        b"\1",
        b"\1\x63",
        b"\1\x63\5abcd",
        b"\1\x63\xff\xff\xff\xff\x0f",
        b"\xff\xff\xff\xff\x0f",
        b"\x80\x80\x80\x80\x80\x00",
        b"\1\xff\xff\xff\xff\x1f\0",
    ):
        assert "HeartbeatRequest v4" in refused(HEARTBEAT, 4, HEARTBEAT_4 + section)


def test_tags_that_do_not_ascend_are_refused() -> None:
    for section in (b"\2\x63\0\x62\0", b"\2\x63\0\x63\0"):
        assert "comes after tag 99" in refused(HEARTBEAT, 4, HEARTBEAT_4 + section)


def test_more_tagged_fields_than_the_limit_are_refused() -> None:
    section = uvarint(65) + b"".join(uvarint(tag) + b"\0" for tag in range(65))
    assert "65 tagged fields" in refused(HEARTBEAT, 4, HEARTBEAT_4 + section)
    section = uvarint(64) + b"".join(uvarint(tag) + b"\0" for tag in range(64))
    protocol.decode_request(HEARTBEAT, 4, HEARTBEAT_4 + section)


def test_a_known_tagged_field_must_fill_its_size() -> None:
    head = b"\0\0\1\0\0\0\0"
    epoch = b"\1\1\x08" + (7).to_bytes(8, "big")
    response = protocol.decode_response(API_VERSIONS, 3, head + epoch)
    assert response == ApiVersionsResponse(finalized_features_epoch=7)
    for section in (
        b"\1\1\x09" + bytes(9),  # longer than the field
        b"\1\1\x07" + bytes(8),  # shorter than the field, though bytes are there
        b"\1\1\x00",
    ):
        with pytest.raises(ProtocolError, match="finalized_features_epoch"):
            protocol.decode_response(API_VERSIONS, 3, head + section)


# Hostile counts and sizes.


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xff\xff\xff\x0f\0\0\0",  # 4 billion topics
        b"\xff\xff\xff\xff\x07\0\0\0",
        uvarint(100_000_000) + b"\0\0\0",
        uvarint(10) + bytes(100),
    ],
)
def test_an_array_longer_than_its_bytes_is_refused_before_it_is_allocated(body: bytes) -> None:
    reason = refused(METADATA, 12, body)
    assert reason.startswith("MetadataRequest v12.topics: has ")
    assert memory_peak(lambda: refused(METADATA, 12, body)) < 50_000


def test_a_legacy_array_longer_than_its_bytes_is_refused() -> None:
    assert "has 2147483647 elements" in refused(METADATA, 1, b"\x7f\xff\xff\xff" + bytes(9))
    assert "is null" in refused(METADATA, 0, b"\xff\xff\xff\xff")
    # Any negative count is a null, as Kafka reads it.
    assert protocol.decode_request(METADATA, 1, b"\x80\0\0\0") == MetadataRequest(topics=None)


def test_values_beyond_the_limit_are_refused_before_they_are_allocated() -> None:
    def body(topics: int) -> bytes:
        return topics.to_bytes(4, "big") + bytes(2 * topics)

    topic_values = 1 + len(MetadataRequestTopic())
    allowed = REQUEST_VALUES_MAX // topic_values
    request = protocol.decode_request(METADATA, 1, body(allowed))
    assert isinstance(request, MetadataRequest)
    assert request.topics is not None
    assert len(request.topics) == allowed
    hostile = body(allowed + 1)
    assert "limit of values" in refused(METADATA, 1, hostile)
    assert memory_peak(lambda: refused(METADATA, 1, hostile)) < 50_000


def test_nested_arrays_share_one_limit_of_values() -> None:
    # Each topic passes by itself; together they would make too many.
    numbers = tuple([0] * 1000)
    topic = protocol.encode_fields(
        0, CreatePartitionsRequest(topics=[CreatePartitionsTopic(assignments=())])
    )
    assert topic[4:].startswith(b"\0\0\0\0\0\0")
    one = b"\0\1t\0\0\0\1\0\0\0\1" + len(numbers).to_bytes(4, "big") + bytes(4000)
    count = 1001
    body = count.to_bytes(4, "big") + one * count + b"\0\0\0\0\0"
    assert "limit of values" in refused(37, 0, body)


def test_memory_stays_within_a_constant_of_the_frame() -> None:
    # The smallest elements that requests have: an empty name and no tags, 2 bytes each.
    count = 20_000
    body = uvarint(count + 1) + bytes(16 + 3) * count + b"\0\0\0"
    assert len(body) < 400_000
    assert memory_peak(lambda: protocol.decode_request(METADATA, 12, body)) < 16 * len(body)
    body = count.to_bytes(4, "big") + b"\0\2ab" * count
    assert memory_peak(lambda: protocol.decode_request(METADATA, 0, body)) < 64 * len(body)


@pytest.mark.parametrize(
    ("version", "body", "reason"),
    [
        (0, b"\0\0\0\1\xff\xff", "MetadataRequest v0 MetadataRequestTopic.name: is null"),
        (0, b"\0\0\0\1\x7f\xffab", ".name: has 32767 bytes, more than are left"),
        (0, b"\0\0\0\1\0\2\xff\xfe", ".name: is not UTF-8"),
        (0, b"\0\0\0\1\0\3\xed\xa0\x80", ".name: is not UTF-8"),  # a surrogate
        (9, b"\2\0\0\0\0\0\0", ".name: is null"),
        (9, b"\2\x80\x80\x80\x80\x80\x01\0", ".name: its size is not a varint"),
        (9, b"\2\xff\xff\xff\xff\x10", ".name: its size is not a varint"),
        (9, b"\x80", ".topics: its size is not a varint"),
        (9, b"\2" + uvarint(32769) + bytes(40000), ".name: is a string of 32768 bytes"),
        (12, b"\1\0\0", "MetadataRequest v12: the count of its tagged fields"),
        (12, b"\1", ".allow_auto_topic_creation: ends early"),
    ],
)
def test_the_reason_names_message_and_field(version: int, body: bytes, reason: str) -> None:
    assert reason in refused(METADATA, version, body)


def test_data_must_be_a_buffer() -> None:
    with pytest.raises(TypeError):
        protocol.decode_request(METADATA, 0, "text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="outside"):
        plan("MetadataRequest", 0).decode(b"", 1, 0)


# Values that do not fit.


def encoding_fails(version: int, message: tuple[object, ...]) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        protocol.encode_fields(version, message)
    assert not isinstance(caught.value, ProtocolError)
    return str(caught.value)


def test_a_field_that_the_version_lacks_must_hold_its_default() -> None:
    request = MetadataRequest(topics=(), allow_auto_topic_creation=False)
    reason = encoding_fails(3, request)
    assert "MetadataRequest v3.allow_auto_topic_creation: the version lacks the field" in reason
    assert protocol.encode_fields(4, request) == b"\0\0\0\0\0"


def test_a_field_that_may_be_ignored_is_left_out() -> None:
    # throttle_time_ms began with version 3.
    response = MetadataResponse(throttle_time_ms=5)
    assert protocol.encode_fields(0, response) == bytes(8)


def test_null_is_refused_where_the_version_has_no_null() -> None:
    assert "v0.topics: null" in encoding_fails(0, MetadataRequest(topics=None))
    with_null = MetadataRequest(topics=[MetadataRequestTopic(name=None)])
    assert "MetadataRequestTopic.name: null" in encoding_fails(9, with_null)
    assert protocol.encode_fields(10, with_null)[17:18] == b"\0"


@pytest.mark.parametrize(
    ("made", "field", "value", "reason"),
    [
        (HeartbeatRequest, "generation_id", 2**31, "2147483648 is not between"),
        (HeartbeatRequest, "generation_id", -(2**31) - 1, "is not between"),
        (HeartbeatRequest, "generation_id", 2**70, ""),
        (HeartbeatRequest, "generation_id", "1", ""),
        (HeartbeatRequest, "generation_id", 1.5, ""),
        (HeartbeatRequest, "generation_id", None, ""),
        (HeartbeatRequest, "group_id", 5, ""),
        (HeartbeatRequest, "group_id", "\udc80", ""),
        (HeartbeatRequest, "group_id", "x" * 32768, "32768 bytes"),
        (MetadataRequest, "topics", "ab", "an array is needed"),
        (MetadataRequest, "topics", 5, "an array is needed"),
        (SaslAuthenticateRequest, "auth_bytes", "text", ""),
        (SaslAuthenticateRequest, "auth_bytes", None, "null"),
    ],
)
def test_a_value_that_does_not_fit_is_named(
    made: Callable[..., tuple[object, ...]], field: str, value: object, reason: str
) -> None:
    message = made(**{field: value})
    for version in (0, 1):
        assert f"{type(message).__name__} v{version}.{field}: " in encoding_fails(version, message)
        assert reason in encoding_fails(version, message)


@pytest.mark.parametrize("topic", [("a",), None, "a", HeartbeatRequest()])
def test_an_element_of_another_class_is_named(topic: object) -> None:
    request = MetadataRequest(topics=[topic])  # type: ignore[list-item]
    reason = encoding_fails(4, request)
    assert f"MetadataRequestTopic is needed, not {type(topic).__name__}" in reason


def test_a_uuid_has_sixteen_bytes() -> None:
    request = MetadataRequest(topics=[MetadataRequestTopic(topic_id=b"short", name="a")])
    assert "a uuid has 16 bytes, not 5" in encoding_fails(12, request)


def test_a_struct_of_another_class_is_refused() -> None:
    with pytest.raises(ValueError, match="MetadataRequest is needed, not ApiVersionsRequest"):
        plan("MetadataRequest", 4).encode(ApiVersionsRequest(), b"")


def test_an_array_that_changes_while_it_is_encoded_is_refused() -> None:
    class Shrinking:
        def __index__(self) -> int:
            numbers.clear()
            return 1

    numbers: list[object] = [Shrinking(), 2, 3]
    record = PartitionChangeRecord(isr=numbers)  # type: ignore[arg-type]
    assert "changed while" in encoding_fails(0, record)


def test_numbers_of_every_width_keep_their_limits() -> None:
    value = ValueData("x", 0.1)
    entry = DescribeClientQuotasResponseEntryData(values=[value])
    data = protocol.encode_fields(1, DescribeClientQuotasResponse(entries=[entry]))
    again = protocol.decode_fields(DescribeClientQuotasResponse, 1, data)
    assert again.entries is not None
    assert again.entries[0].values[0].value == 0.1
