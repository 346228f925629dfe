"""Records of `__consumer_offsets`: ours are Kafka's, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from meghna.groups.decision import GroupRecord
from meghna.groups.journal import LogRecord
from meghna.groups.offsets import OffsetRecord
from meghna.groups.record_format import (
    decode,
    encode_deleted_group,
    encode_group,
    encode_offset,
)

TEXT = Path(__file__).with_name("kafka_records.txt").read_text()
RECORDS = {
    name: (bytes.fromhex(key), None if value == "-" else bytes.fromhex(value))
    for name, key, value in (line.split() for line in TEXT.splitlines() if line[0] != "#")
}


@pytest.mark.parametrize("name", RECORDS)
def test_what_kafka_wrote_is_written_again_as_it_was(name: str) -> None:
    key, value = RECORDS[name]
    match decode(key, value):
        case GroupRecord() as group:
            written = encode_group(group, timestamp_ms=5)
        case OffsetRecord() as offset:
            written = encode_offset(offset, timestamp_ms=5)
        case str() as group_id:
            written = encode_deleted_group(group_id, timestamp_ms=5)
        case None:
            pytest.fail("unknown")
    assert written == LogRecord(key, value, 5)


def test_a_group_means_what_kafka_meant() -> None:
    group = decode(*RECORDS["assigned"])
    assert isinstance(group, GroupRecord)
    assert (group.group_id, group.generation, group.protocol) == ("grp-two", 1, "range")
    assert group.protocol_type == "consumer"
    static, dynamic = group.members
    assert (static.instance_id, static.assignment) == ("inst-1", b"for-b")
    assert (dynamic.instance_id, dynamic.assignment) == (None, b"for-a")
    assert group.leader == dynamic.member_id
    assert (static.session_timeout_ms, static.rebalance_timeout_ms) == (10_000, 20_000)


def test_an_offset_means_what_kafka_meant() -> None:
    offset = decode(*RECORDS["offset"])
    assert isinstance(offset, OffsetRecord)
    assert (offset.group_id, offset.topic, offset.partition) == ("grp-two", "grp-t", 1)
    committed = offset.committed
    assert committed is not None
    assert (committed.offset, committed.leader_epoch, committed.metadata) == (2, 0, "two")
    assert committed.topic_id.hex() == "6354e8973e8b4dd7931be5626e1e3190"
    assert committed.expire_timestamp_ms is None
    old = decode(*RECORDS["offset_with_retention"])
    assert isinstance(old, OffsetRecord)
    assert old.committed is not None
    assert old.committed.expire_timestamp_ms == old.committed.commit_timestamp_ms + 100_000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        # A group of the consumer protocol, which other brokers may have left.
        (b"\0\3\0\1g", b"\0\0\0\0\0\1\0"),
        (b"\0\x63\0\1g", b"\0\0"),
        (b"", None),
        (b"\0\2\0\1g", b"\0\x63"),
        (b"\0\2\0\1g", b"\0\3\0"),
    ],
)
def test_records_of_other_kinds_are_passed_over(key: bytes, value: bytes | None) -> None:
    assert decode(key, value) is None


def test_older_versions_of_kafka_are_read() -> None:
    # Offset v0: offset, metadata, commit timestamp. Group v0: neither timestamps nor timeouts.
    offset = decode(
        b"\0\1\0\1g\0\1t\0\0\0\5", b"\0\0" + (9).to_bytes(8, "big") + b"\0\0" + bytes(8)
    )
    assert isinstance(offset, OffsetRecord)
    assert offset.committed is not None
    assert (offset.committed.offset, offset.committed.leader_epoch) == (9, -1)
    group = decode(b"\0\2\0\1g", b"\0\0\0\0\0\0\0\1\xff\xff\xff\xff\0\0\0\0")
    assert isinstance(group, GroupRecord)
    assert (group.generation, group.state_since_ms) == (1, -1)
