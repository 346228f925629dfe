"""Kafka's partition directory in plain Python: an oracle that shares no code with the C core.

Reads what others wrote (`read_segments`, `read_index`, `read_time_index`, `read_snapshot`,
`read_epochs`) and says what a log of the same appends should write (`index_of`). Slow and short on
purpose: a batch is a tuple of what the tests look at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

HEADER = struct.Struct(">qiibIhiqqqhii")


class Batch(NamedTuple):
    base_offset: int
    last_offset: int
    leader_epoch: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records: int
    position: int
    data: bytes


class Producer(NamedTuple):
    producer_id: int
    epoch: int
    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int
    coordinator_epoch: int
    transaction_first_offset: int


def _crc32c_table() -> list[int]:
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _crc32c_table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def read_batches(data: bytes) -> list[Batch]:
    """Every batch in `data`; a wrong size, magic or checksum is a ValueError."""
    batches = []
    position = 0
    while position < len(data):
        if len(data) - position < HEADER.size:
            raise ValueError(f"{len(data) - position} bytes left at {position}")
        (base, length, epoch, magic, crc, _, delta, _, max_timestamp, producer_id, producer_epoch,
         sequence, count) = HEADER.unpack_from(data, position)  # fmt: skip
        whole = data[position : position + 12 + length]
        if magic != 2 or len(whole) != 12 + length or crc32c(whole[21:]) != crc:
            raise ValueError(f"no batch at {position}")
        batches.append(
            Batch(base, base + delta, epoch, max_timestamp, producer_id, producer_epoch, sequence,
                  count, position, whole)
        )  # fmt: skip
        position += len(whole)
    return batches


def read_segments(directory: Path) -> dict[int, list[Batch]]:
    """The batches of each segment, by base offset."""
    return {
        int(path.stem): read_batches(path.read_bytes()) for path in sorted(directory.glob("*.log"))
    }


def read_index(path: Path) -> list[tuple[int, int]]:
    return list(struct.iter_unpack(">ii", path.read_bytes()))


def read_time_index(path: Path) -> list[tuple[int, int]]:
    return list(struct.iter_unpack(">qi", path.read_bytes()))


def read_snapshot(path: Path) -> list[Producer]:
    data = path.read_bytes()
    version, crc, count = struct.unpack_from(">hIi", data)
    if version != 1 or crc32c(data[6:]) != crc:
        raise ValueError(f"{path.name} contradicts itself")
    producers = [Producer(*entry) for entry in struct.iter_unpack(">qhiqiqiq", data[10:])]
    if len(producers) != count:
        raise ValueError(f"{path.name} has {len(producers)} entries, not {count}")
    return producers


def read_epochs(path: Path) -> list[tuple[int, int]]:
    version, count, *lines = path.read_text().splitlines()
    if version != "0" or int(count) != len(lines):
        raise ValueError(path.name)
    return [(int(epoch), int(start)) for epoch, start in (line.split() for line in lines)]


def index_of(
    base: int, batches: list[Batch], interval: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The two indexes of a sealed segment, by Kafka's rule."""
    offsets: list[tuple[int, int]] = []
    times: list[tuple[int, int]] = []
    last_position = 0
    greatest = (-1, 0)

    def note_time() -> None:
        if greatest[0] >= 0 and (not times or greatest[0] > times[-1][0]):
            times.append(greatest)

    for batch in batches:
        if batch.max_timestamp > greatest[0]:
            greatest = (batch.max_timestamp, batch.last_offset - base)
        if batch.position - last_position > interval:
            offsets.append((batch.last_offset - base, batch.position))
            note_time()
            last_position = batch.position
    note_time()
    return offsets, times


@dataclass(slots=True)
class LogModel:
    """What a log should answer: a list of appended batches and where it begins and ends."""

    batches: list[tuple[int, int, int]]
    """(base offset, last offset, max timestamp) of each."""
    start_offset: int = 0
    end_offset: int = 0

    def append(self, count: int, max_timestamp: int) -> int:
        base = self.end_offset
        self.batches.append((base, base + count - 1, max_timestamp))
        self.end_offset += count
        return base

    def truncate(self, offset: int) -> None:
        if offset < self.end_offset:
            self.batches = [b for b in self.batches if b[1] < offset]
            self.end_offset = offset

    def holding(self, offset: int) -> tuple[int, int, int] | None:
        """The batch that holds the offset, or the next one."""
        return next((b for b in self.batches if b[1] >= offset), None)

    def at_timestamp(self, timestamp: int) -> tuple[int, int, int] | None:
        return next(
            (b for b in self.batches if b[2] >= timestamp and b[1] >= self.start_offset), None
        )
