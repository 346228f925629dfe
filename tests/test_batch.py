"""Batches built and read through the C core, against foreign clients' own encoders and decoders.

The model is the list of records itself: what goes in must come out, whoever reads it.
"""

import struct
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import aiokafka.record.default_records as aiokafka_records
import kafka.record.default_records as kafka_records
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meghna._native import batch
from meghna.codecs import Codec, compress, decompress
from meghna.errors import CorruptDataError, TooLargeError

Parts = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...], int]

FOREIGN = pytest.mark.parametrize(
    "foreign", [kafka_records, aiokafka_records], ids=["kafka-python", "aiokafka"]
)
CODECS = pytest.mark.parametrize("codec", Codec)

INVALID_RECORD = 6
OLD_FORMAT = 4
CORRUPT = 1

SAMPLE: list[Parts] = [
    (b"k", b"v" * 5, (("h", b"x"), ("n", None), ("", b"")), 1000),
    (None, b"", (), 1005),
    (b"", None, (), 999),
]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
blobs = st.none() | st.binary(max_size=200)
timestamps = st.integers(0, 2**53)
record_parts = st.tuples(blobs, blobs, st.lists(st.tuples(texts, blobs)).map(tuple), timestamps)
record_lists = st.lists(record_parts, min_size=1, max_size=30)


def build(records: list[Parts], codec: Codec = Codec.NONE, base_offset: int = 0) -> bytes:
    if codec is Codec.NONE:
        return batch.build(records, base_offset=base_offset)
    return batch.build(
        records, base_offset=base_offset, attributes=codec, compress=partial(compress, codec)
    )


def parts_of(records: Iterable[batch.Record]) -> list[Parts]:
    return [(r.key, r.value, r.headers, r.timestamp) for r in records]


def mended(data: bytes) -> bytes:
    """`data` with a checksum that fits."""
    return data[:17] + struct.pack(">I", batch.crc32c(data[21:])) + data[21:]


def test_crc32c_has_the_published_values() -> None:
    assert batch.crc32c(b"123456789") == 0xE3069283
    assert batch.crc32c(bytes(32)) == 0x8A9136AA
    assert batch.crc32c(b"6789", batch.crc32c(b"12345")) == 0xE3069283
    assert batch.crc32c(b"") == 0


@CODECS
@settings(max_examples=60)
@given(records=record_lists, base_offset=st.integers(0, 2**40))
def test_what_is_built_reads_back(codec: Codec, records: list[Parts], base_offset: int) -> None:
    data = build(records, codec, base_offset)
    found = batch.records(data, decompress=decompress)
    assert parts_of(found) == records
    assert [record.offset for record in found] == list(
        range(base_offset, base_offset + len(records))
    )
    header = batch.check(data)
    assert header == batch.header(data)
    assert header.size == len(data)
    assert header.record_count == len(records)
    assert header.last_offset == base_offset + len(records) - 1
    assert header.codec == codec
    assert header.max_timestamp == max(parts[3] for parts in records)


def test_what_kafka_wrote_is_read_in_every_codec() -> None:
    lines = (Path(__file__).parent / "kafka_batches.txt").read_text().splitlines()
    expected = [line.split()[1:] for line in lines if line.startswith("record")]
    blocks = "\n".join(line for line in lines if line[0] not in "#r").split("batch\n")[1:]
    batches = [bytes.fromhex(block) for block in blocks]

    headers = [batch.check(data) for data in batches]
    assert [header.codec for header in headers] == [0, 1, 2, 3, 4, 0, 0]
    *data_batches, marker = batches
    found = [r for data in data_batches for r in batch.records(data, decompress=decompress)]
    assert [shown(record) for record in found] == expected
    (end,) = batch.records(marker)
    assert headers[-1].attributes & 0x30 == 0x30
    assert end.key == b"\0\0\0\1"


def shown(record: batch.Record) -> list[str]:
    key = "-" if record.key is None else record.key.decode()
    size = "-" if record.value is None else str(len(record.value))
    return [str(record.offset), str(record.timestamp), key, size, str(len(record.headers))]


@FOREIGN
@CODECS
@settings(max_examples=40)
@given(records=record_lists)
def test_foreign_clients_read_what_is_built(
    foreign: object, codec: Codec, records: list[Parts]
) -> None:
    theirs = foreign.DefaultRecordBatch(build(records, codec))  # type: ignore[attr-defined]
    assert theirs.validate_crc()
    read = [(r.key, r.value, tuple(map(tuple, r.headers)), r.timestamp) for r in theirs]
    assert read == records


@FOREIGN
@CODECS
@settings(max_examples=40)
@given(records=record_lists)
def test_what_foreign_clients_build_is_read_and_valid(
    foreign: object, codec: Codec, records: list[Parts]
) -> None:
    builder = foreign.DefaultRecordBatchBuilder(  # type: ignore[attr-defined]
        2, int(codec), False, 7, 3, 11, 1 << 20
    )
    for offset, (key, value, headers, timestamp) in enumerate(records):
        assert builder.append(offset, timestamp, key, value, list(headers))
    data = bytes(builder.build())
    assert parts_of(batch.records(data, decompress=decompress)) == records
    header = batch.header(data)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (7, 3, 11)
    assert batch.validate(data, now_ms=0).fault == 0
    if codec is Codec.NONE:
        ours = batch.build(
            records,
            producer_id=7,
            producer_epoch=3,
            base_sequence=11,
            leader_epoch=header.leader_epoch,
        )
        assert ours == data


def test_the_fields_of_the_header_are_passed_on() -> None:
    data = batch.build(
        SAMPLE,
        base_offset=5,
        producer_id=2**40,
        producer_epoch=7,
        base_sequence=9,
        attributes=0x30,
        leader_epoch=4,
    )
    header = batch.check(data)
    assert header.base_offset == 5
    assert header.producer_id == 2**40
    assert header.producer_epoch == 7
    assert header.base_sequence == 9
    assert header.attributes == 0x30
    assert header.leader_epoch == 4
    assert header.magic == 2


def test_any_buffer_is_taken_for_bytes() -> None:
    data = build(SAMPLE)
    assert batch.records(memoryview(bytearray(data))) == batch.records(data)
    odd = batch.build([(bytearray(b"k"), memoryview(b"v"), [(b"h", bytearray(b"x"))], 1)])
    assert parts_of(batch.records(odd)) == [(b"k", b"v", (("h", b"x"),), 1)]


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.LZ4])
def test_every_truncation_and_every_flipped_byte_is_corrupt(codec: Codec) -> None:
    data = build(SAMPLE, codec)
    for size in range(len(data)):
        for read in (batch.check, batch.records):
            with pytest.raises(CorruptDataError):
                read(data[:size])
    for position in [*range(8, 12), *range(16, len(data))]:
        flipped = bytearray(data)
        flipped[position] ^= 0x40
        with pytest.raises(CorruptDataError):
            batch.check(flipped)


def test_records_that_contradict_themselves_are_corrupt_under_a_good_checksum() -> None:
    data = bytearray(build(SAMPLE))
    data[61] += 2  # the first record's size
    with pytest.raises(CorruptDataError):
        batch.records(mended(bytes(data)))


def test_a_compressed_batch_needs_a_way_to_open_it() -> None:
    with pytest.raises(ValueError, match="no way to decompress"):
        batch.records(build(SAMPLE, Codec.GZIP))
    with pytest.raises(ValueError, match="go together"):
        batch.build(SAMPLE, attributes=Codec.GZIP)
    with pytest.raises(ValueError, match="go together"):
        batch.build(SAMPLE, compress=partial(compress, Codec.GZIP))


def test_rubbish_inside_a_good_frame_is_corrupt() -> None:
    data = batch.build(SAMPLE, attributes=Codec.SNAPPY, compress=lambda plain: plain[::-1])
    with pytest.raises(CorruptDataError):
        batch.records(data, decompress=decompress)
    data = batch.build(SAMPLE, attributes=1, compress=lambda plain: compress(1, plain[:-1]))
    with pytest.raises(CorruptDataError):
        batch.records(data, decompress=decompress)


def test_log_append_time_is_every_records_time() -> None:
    data = bytearray(build(SAMPLE))
    data[22] |= 0x08
    data[35:43] = struct.pack(">q", 424242)
    records = batch.records(mended(bytes(data)))
    assert [record.timestamp for record in records] == [424242] * 3


def test_what_cannot_be_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        batch.build([])
    with pytest.raises(ValueError, match="needs a key"):
        batch.build([(None, None, [(None, b"")], 0)])  # type: ignore[list-item]
    with pytest.raises(TooLargeError):
        batch.build([(None, None, (), -1), (None, None, (), 2**63 - 1)])
    with pytest.raises(TypeError):
        batch.build([("text", None, (), 0)])  # type: ignore[list-item]
    with pytest.raises(OverflowError):
        batch.build([(None, None, (), 2**63)])


def test_headers_that_hide_their_number_do_no_harm() -> None:
    class Liar(tuple[object, ...]):
        __slots__ = ()

        def __len__(self) -> int:
            return 0

    with pytest.raises(ValueError, match="more items"):
        batch.build([(None, None, Liar([("a", b"b")] * 50), 0)])  # type: ignore[list-item]


def test_split_finds_whole_batches_and_leaves_a_cut_tail() -> None:
    parts = [build(SAMPLE), build(SAMPLE, Codec.ZSTD, 3), build(SAMPLE[:1], base_offset=6)]
    whole = b"".join(parts)
    assert [bytes(view) for view in batch.split(whole)] == parts
    for cut in (1, 40, len(parts[-1]) - 1):
        assert [bytes(view) for view in batch.split(whole[:-cut])] == parts[:2]
    assert batch.split(b"") == []
    with pytest.raises(CorruptDataError):
        batch.split(whole + bytes(100))


def test_validate_names_the_fault_and_the_record() -> None:
    assert batch.validate(build(SAMPLE), now_ms=0) == (0, -1, "", 1005)
    assert batch.validate(b"", now_ms=0).fault == INVALID_RECORD
    keyless = batch.validate(build(SAMPLE), now_ms=0, requires_keys=True)
    assert (keyless.fault, keyless.record_index) == (INVALID_RECORD, 1)
    assert "key" in keyless.message
    assert batch.validate(build(SAMPLE, base_offset=1), now_ms=0).fault == INVALID_RECORD
    assert batch.validate(build(SAMPLE)[:-1] + b"\x01", now_ms=0).fault == CORRUPT
    old = bytearray(build(SAMPLE))
    old[16] = 1
    assert batch.validate(old, now_ms=0).fault == OLD_FORMAT
    early = batch.validate(build(SAMPLE), now_ms=1004, timestamp_after_max_ms=0)
    assert early.record_index == 1
    late = batch.validate(build(SAMPLE), now_ms=1000, timestamp_before_max_ms=0)
    assert late.record_index == 2


@given(noise=st.binary(max_size=300), keep=st.integers(0, 120))
def test_noise_never_does_worse_than_corrupt(noise: bytes, keep: int) -> None:
    data = build(SAMPLE)[:keep] + noise
    if len(data) > 61:
        data = data[:8] + struct.pack(">i", len(data) - 12) + data[12:]
        data = mended(data)
    try:
        batch.records(data, decompress=decompress)
    except (CorruptDataError, TooLargeError):
        return
    batch.check(data)
