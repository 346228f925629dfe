"""Metadata records and their bytes."""

from __future__ import annotations

import pytest

from meghna.metadata.records import (
    ConfigChanged,
    FeatureSet,
    PartitionAdded,
    PartitionChanged,
    ProducerIdsReserved,
    Record,
    TopicAdded,
    TopicRemoved,
    UnreadableRecordError,
    decode,
    encode,
)

ID = bytes(range(16))

RECORDS: list[Record] = [
    TopicAdded("t", ID),
    PartitionAdded(ID, 3, (1, 2), (1,), 1, 5, 6, (b"d" * 16, b"e" * 16)),
    PartitionChanged(ID, 3, leader=1),
    PartitionChanged(ID, 3, isr=(1, 2)),
    TopicRemoved(ID),
    ConfigChanged(2, "t", "retention.ms", "5"),
    ConfigChanged(2, "t", "retention.ms", None),
    ProducerIdsReserved(1, 2000),
    FeatureSet("metadata.version", 30),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_read_back_as_it_was_written(record: Record) -> None:
    assert decode(encode(record)) == record


def test_the_bytes_are_krafts() -> None:
    # Frame version 1, TopicRecord (2), version 0, compact name, id, no tagged fields.
    assert encode(TopicAdded("t", ID)) == b"\x01\x02\x00\x02t" + ID + b"\x00"


def test_records_that_we_have_no_use_for_are_skipped() -> None:
    assert decode(b"\x01\x14\x00\x00") is None  # NoOpRecord


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_every_truncation_is_told_from_a_record(record: Record) -> None:
    data = encode(record)
    for size in range(len(data)):
        with pytest.raises(UnreadableRecordError):
            decode(data[:size])


def test_another_frame_version_is_refused() -> None:
    with pytest.raises(UnreadableRecordError):
        decode(b"\x02" + encode(TopicAdded("t", ID))[1:])
