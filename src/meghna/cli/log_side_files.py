"""The small files of a partition's directory, taken apart: producers, aborted transactions, epochs,
index entries. The formats are drawn in native/log/log_format.h.

Each `read_*` raises `SideFileError`, with the position, for bytes that are not of the format.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from meghna._native.batch import crc32c

if TYPE_CHECKING:
    from collections.abc import Iterator

_SNAPSHOT_HEADER: Final = struct.Struct(">hIi")
_SNAPSHOT_CRC_FROM: Final = 6
_SNAPSHOT_ENTRY: Final = struct.Struct(">qhiqiqiq")
_ABORTED: Final = struct.Struct(">hqqqq")
_INDEX_ENTRY: Final = struct.Struct(">ii")
_TIME_ENTRY: Final = struct.Struct(">qi")


class SideFileError(ValueError):
    """Bytes that are not of the file's format."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


class ProducerEntry(NamedTuple):
    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int
    coordinator_epoch: int
    transaction_first_offset: int


class AbortedEntry(NamedTuple):
    version: int
    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class EpochEntry(NamedTuple):
    epoch: int
    start_offset: int


def read_snapshot(data: bytes) -> list[ProducerEntry]:
    if len(data) < _SNAPSHOT_HEADER.size:
        raise SideFileError(len(data), "the producer snapshot ends in its header")
    version, crc, count = _SNAPSHOT_HEADER.unpack_from(data)
    if version != 1:
        raise SideFileError(0, f"a producer snapshot of version {version}")
    if crc32c(data[_SNAPSHOT_CRC_FROM:]) != crc:
        raise SideFileError(2, "the producer snapshot contradicts its checksum")
    if len(data) != _SNAPSHOT_HEADER.size + count * _SNAPSHOT_ENTRY.size:
        raise SideFileError(
            _SNAPSHOT_CRC_FROM, f"the producer snapshot of {count} entries has {len(data)} bytes"
        )
    entries = _SNAPSHOT_ENTRY.iter_unpack(data[_SNAPSHOT_HEADER.size :])
    return [ProducerEntry(*entry) for entry in entries]


def read_aborted(data: bytes) -> list[AbortedEntry]:
    left = len(data) % _ABORTED.size
    if left:
        raise SideFileError(len(data) - left, "the transaction index ends within an entry")
    entries = [AbortedEntry(*entry) for entry in _ABORTED.iter_unpack(data)]
    before = -1
    for slot, entry in enumerate(entries):
        if entry.version != 0:
            raise SideFileError(slot * _ABORTED.size, f"an entry of version {entry.version}")
        if not before < entry.last_offset or not 0 <= entry.first_offset <= entry.last_offset:
            raise SideFileError(slot * _ABORTED.size, "offsets of entries do not ascend")
        before = entry.last_offset
    return entries


def aborted_position(slot: int) -> int:
    return slot * _ABORTED.size


def read_epochs(data: bytes) -> list[EpochEntry]:
    """The leader epochs, ascending in both."""
    entries: list[EpochEntry] = []
    position = 0
    try:
        version, count, *lines = data.decode().splitlines(keepends=True)
        position = len(version) + len(count)
        if version.strip() != "0" or int(count) != len(lines):
            raise SideFileError(0, "the epoch checkpoint's version or count is wrong")
        for line in lines:
            epoch, start = map(int, line.split())
            ascends = not entries or (epoch > entries[-1][0] and start > entries[-1][1])
            if epoch < 0 or start < 0 or not ascends:
                raise SideFileError(position, f"epoch {epoch} from {start} does not ascend")
            entries.append(EpochEntry(epoch, start))
            position += len(line)
    except SideFileError:
        raise
    except ValueError:
        raise SideFileError(position, "the epoch checkpoint is malformed") from None
    return entries


def index_entries(data: bytes) -> Iterator[tuple[int, int]]:
    """Relative offset and position, up to a tail of zeros that was only preallocated."""
    whole = data[: len(data) // _INDEX_ENTRY.size * _INDEX_ENTRY.size]
    for slot, entry in enumerate(_INDEX_ENTRY.iter_unpack(whole)):
        if entry == (0, 0) and (slot > 0 or not any(data)):
            return
        yield entry


def time_entries(data: bytes) -> Iterator[tuple[int, int]]:
    """Timestamp and relative offset, up to a tail of zeros."""
    whole = data[: len(data) // _TIME_ENTRY.size * _TIME_ENTRY.size]
    for slot, entry in enumerate(_TIME_ENTRY.iter_unpack(whole)):
        if entry == (0, 0) and (slot > 0 or not any(data)):
            return
        yield entry


ENTRY_SIZES: Final = {".index": _INDEX_ENTRY.size, ".timeindex": _TIME_ENTRY.size}
