"""Record batches, version 2: build, check and read them; and CRC-32C.

Byte arguments are any contiguous buffers, borrowed for the call. What is returned is copied.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from typing_extensions import Buffer

class BatchHeader(NamedTuple):
    """The fixed part of a batch, as native/batch/batch_format.h draws it."""

    base_offset: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    """-1: none."""
    size: int
    """Of the whole batch in bytes."""
    leader_epoch: int
    crc: int
    last_offset_delta: int
    base_sequence: int
    record_count: int
    attributes: int
    producer_epoch: int
    magic: int

    @property
    def last_offset(self) -> int:
        """The offset of the last record that the batch ever had."""

    @property
    def codec(self) -> int:
        """The id of the compression codec, 0 for none."""

class Record(NamedTuple):
    """One record with its absolute offset and timestamp."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

class Finding(NamedTuple):
    """What `validate` found: mg_batch_finding of native/batch/batch.h."""

    fault: int
    """0: none; else an mg_batch_fault."""
    record_index: int
    """The offending record, -1 for the whole batch."""
    message: str
    max_timestamp: int
    """Of the records where they could be read, else the header's."""

def crc32c(data: Buffer, crc: int = 0, /) -> int:
    """Return the CRC-32C of `data`, going on from `crc`."""

def header(batch: Buffer, /) -> BatchHeader:
    """Return the header of the batch that `batch` begins with; its bytes may be cut after that.

    Raises CorruptDataError when there is no sound header.
    """

def check(batch: Buffer, /) -> BatchHeader:
    """Return the header of the batch that `batch` begins with, checked whole.

    Raises CorruptDataError when it is cut short or contradicts its checksum.
    """

def split(data: Buffer, /) -> list[memoryview]:
    """Return views of the whole batches that follow one another in `data`; a cut tail is left out.

    Only the headers are looked at. Raises CorruptDataError where one is not sound.
    """

def validate(
    batch: Buffer,
    /,
    *,
    now_ms: int,
    size_max: int = ...,
    timestamp_before_max_ms: int = ...,
    timestamp_after_max_ms: int = ...,
    requires_keys: bool = False,
    append_time: bool = False,
    zstd_allowed: bool = True,
) -> Finding:
    """Return whether a producer may append `batch`; the default limits are no limits."""

def records(
    batch: Buffer, /, *, decompress: Callable[[int, memoryview], bytes] | None = None
) -> list[Record]:
    """Return the records of the batch that `batch` begins with, checked first.

    `decompress(codec, payload)` opens a compressed one; its memoryview ends with the call.
    Raises CorruptDataError for bytes that are not a whole sound batch, ValueError when the batch
    is compressed and there is no `decompress`.
    """

def build(
    records: Sequence[
        tuple[
            Buffer | None,
            Buffer | None,
            Sequence[tuple[str | Buffer, Buffer | None]],
            int,
        ]
    ],
    /,
    *,
    base_offset: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    attributes: int = 0,
    leader_epoch: int = -1,
    compress: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """Return a batch of (key, value, headers, timestamp) records at offsets from `base_offset`.

    `attributes` names the codec that `compress` applies, and carries the other bits.
    Raises ValueError for no records, TooLargeError past what a batch may hold.
    """
