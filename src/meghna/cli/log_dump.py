"""meghna log dump: batches, records and the entries of every other file, one a line.

Batches and records are told in the words of Kafka's DumpLogSegments; ndjson has the same facts.
"""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from meghna import codecs
from meghna._native import batch
from meghna._native.inspect import Inspection, Kind
from meghna.cli import log_side_files as side
from meghna.cli.outcome import CommandError, Exit, note
from meghna.cli.record_text import put_bytes
from meghna.errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meghna.cli.log_paths import LogPath, PartitionPath

_HEADER_SIZE: Final = 61
_STEP_SIZE: Final = 1 << 20
_APPEND_TIME, _TRANSACTIONAL, _CONTROL, _HORIZON = 0x08, 0x10, 0x20, 0x40
_OPENED_SIZE_MAX: Final = 256 * 1024 * 1024  # Of a batch that another broker took, perhaps.
_CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")

_open = partial(codecs.decompress, size_max=_OPENED_SIZE_MAX)

Fact = int | str | bool | None


class Range(NamedTuple):
    """Which offsets are wanted: [start, end)."""

    start: int = 0
    end: int | None = None

    def has(self, first: int, last: int) -> bool:
        return last >= self.start and (self.end is None or first < self.end)


class Dump:
    """Writes what is in files; `faults` counts the places that could not be read."""

    __slots__ = ("_is_text", "_range", "_records", "_write", "faults")

    def __init__(
        self, write: Callable[[str], object], *, wanted: Range, records: bool, text: bool
    ) -> None:
        self._write = write
        self._range = wanted
        self._records = records
        self._is_text = text
        self.faults = 0

    def run(self, found: LogPath) -> None:
        """Dump what was named: segments first. Raises CommandError, OSError."""
        for partition in found.partitions:
            bases = [
                base for base in partition.bases() if not partition.only or base in partition.only
            ]
            for base, next_base in zip(bases, [*bases[1:], None], strict=False):
                if next_base is None or next_base > self._range.start:
                    self._dump_segment(partition, base)
        for path in found.files:
            self._dump_side_file(path)

    # ---- Segments ----

    def _dump_segment(self, partition: PartitionPath, base: int) -> None:
        path = partition.file(base, ".log")
        self._say(f"Dumping {path}", {"segment": path, "base_offset": base})
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            position = 0
            while position < size:
                head = os.pread(file.fileno(), _HEADER_SIZE, position)
                try:
                    found = batch.header(head)
                except Error:
                    found = None
                if found is None or found.size > size - position:
                    position = self._pass_damage(partition, base, position, size)
                    continue
                if self._range.has(found.base_offset, found.last_offset):
                    whole = os.pread(file.fileno(), found.size, position)
                    self._dump_batch(found, whole, path, position)
                elif self._range.end is not None and found.base_offset >= self._range.end:
                    return
                position += found.size

    def _pass_damage(self, partition: PartitionPath, base: int, position: int, size: int) -> int:
        """Where the next intact batch begins, or the end."""
        after = size
        inspection = Inspection.open(partition.path, base, checks_indexes=False)
        while not inspection.is_done and inspection.position <= position:
            for find in inspection.step(_STEP_SIZE):
                if find.kind == Kind.DAMAGED and find.position <= position:
                    after = max(position + 1, find.position + find.size)
        inspection.close()
        self.faults += 1
        where = partition.file(base, ".log")
        note(f"{where}  position {position}  {after - position} invalid bytes")
        return after

    def _dump_batch(self, head: batch.BatchHeader, whole: bytes, path: str, position: int) -> None:
        try:
            batch.check(whole)
            is_valid = True
        except Error:
            is_valid = False
            self.faults += 1
            note(f"{path}  position {position}  offset {head.base_offset}  invalid checksum")
        if not self._records:
            facts = _batch_facts(head, position, is_valid=is_valid)
            self._say(_kafka_text(facts), _snake(facts))
            return
        if not is_valid:
            return
        try:
            opened = batch.records(whole, decompress=_open)
        except Error as error:
            self.faults += 1
            note(f"{path}  position {position}  offset {head.base_offset}  {error}")
            return
        for index, record in enumerate(opened):
            if self._range.has(record.offset, record.offset):
                self._dump_record(head, index, record)

    def _dump_record(self, head: batch.BatchHeader, index: int, record: batch.Record) -> None:
        sequence = head.base_sequence + index if head.base_sequence >= 0 else -1
        is_control = bool(head.attributes & _CONTROL)
        if self._is_text:
            time_name = "LogAppendTime" if head.attributes & _APPEND_TIME else "CreateTime"
            key, value = record.key, record.value
            headers = ",".join(name for name, _ in record.headers)
            line = (
                f"| offset: {record.offset} {time_name}: {record.timestamp}"
                f" keySize: {-1 if key is None else len(key)}"
                f" valueSize: {-1 if value is None else len(value)}"
                f" sequence: {sequence} headerKeys: [{headers}]"
            )
            if is_control:
                line += _marker_text(key, value)
            else:
                line += "" if key is None else f" key: {_shown(key)}"
                line += "" if value is None else f" payload: {_shown(value)}"
            self._write(line + "\n")
            return
        facts: dict[str, object] = {
            "offset": record.offset,
            "timestamp": record.timestamp,
            "sequence": sequence,
            "is_control": is_control,
        }
        put_bytes(facts, "key", record.key)
        put_bytes(facts, "value", record.value)
        headers_json: list[object] = []
        for name, content in record.headers:
            item: dict[str, object] = {"key": name}
            put_bytes(item, "value", content)
            headers_json.append(item)
        facts["headers"] = headers_json
        self._say("", facts)

    # ---- Other files ----

    def _dump_side_file(self, path: str) -> None:
        with open(path, "rb") as file:
            data = file.read()
        try:
            for facts in _entries(path, data):
                self._say(" ".join(f"{k}: {v}" for k, v in facts.items()), _snake(facts))
        except side.SideFileError as error:
            self.faults += 1
            note(f"{path}  position {error.position}  {error}")

    def _say(self, text: str, facts: dict[str, object]) -> None:
        self._write((text if self._is_text else json.dumps(facts, ensure_ascii=False)) + "\n")


def _shown(data: bytes | None) -> str:
    return "null" if data is None else data.decode("utf-8", "backslashreplace")


def _marker_text(key: bytes | None, value: bytes | None) -> str:
    kind = int.from_bytes((key or b"")[2:4], "big")
    if kind in (0, 1):
        epoch = int.from_bytes((value or b"")[2:6], "big")
        return f" endTxnMarker: {('ABORT', 'COMMIT')[kind]} coordinatorEpoch: {epoch}"
    return f" controlType: {kind}"


def _batch_facts(head: batch.BatchHeader, position: int, *, is_valid: bool) -> dict[str, Fact]:
    """In the order and the words of Kafka's tool."""
    has_sequence = head.base_sequence >= 0
    time_name = "LogAppendTime" if head.attributes & _APPEND_TIME else "CreateTime"
    return {
        "baseOffset": head.base_offset,
        "lastOffset": head.last_offset,
        "count": head.record_count,
        "baseSequence": head.base_sequence,
        "lastSequence": (head.base_sequence + head.last_offset_delta) & 0x7FFFFFFF
        if has_sequence
        else -1,
        "producerId": head.producer_id,
        "producerEpoch": head.producer_epoch,
        "partitionLeaderEpoch": head.leader_epoch,
        "isTransactional": bool(head.attributes & _TRANSACTIONAL),
        "isControl": bool(head.attributes & _CONTROL),
        "deleteHorizonMs": head.base_timestamp if head.attributes & _HORIZON else None,
        "position": position,
        time_name: head.max_timestamp,
        "size": head.size,
        "magic": head.magic,
        "compresscodec": _CODECS[head.codec] if head.codec < len(_CODECS) else str(head.codec),
        "crc": head.crc,
        "isvalid": is_valid,
    }


def _kafka_text(facts: dict[str, Fact]) -> str:
    shown = []
    for name, fact in facts.items():
        text = str(fact).lower() if isinstance(fact, bool) else str(fact)
        if name == "deleteHorizonMs":
            text = "OptionalLong.empty" if fact is None else f"OptionalLong[{fact}]"
        shown.append(f"{name}: {text}")
    return " ".join(shown)


def _snake(facts: dict[str, Fact]) -> dict[str, object]:
    return {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_"): fact
        for name, fact in facts.items()
    }


def _entries(path: str, data: bytes) -> Iterator[dict[str, Fact]]:
    name = os.path.basename(path)
    base = int(name[:20]) if name[:20].isdigit() else 0
    for suffix, read in _READERS.items():
        if name.endswith(suffix):
            yield from read(data, base)
            return
    raise CommandError(f"{path}: not a file of a partition that can be shown", Exit.USAGE)


def _index_facts(data: bytes, base: int) -> Iterator[dict[str, Fact]]:
    for relative, position in side.index_entries(data):
        yield {"offset": base + relative, "position": position}


def _time_facts(data: bytes, base: int) -> Iterator[dict[str, Fact]]:
    for timestamp, relative in side.time_entries(data):
        yield {"timestamp": timestamp, "offset": base + relative}


def _aborted_facts(data: bytes, _base: int) -> Iterator[dict[str, Fact]]:
    for entry in side.read_aborted(data):
        yield {
            "version": entry.version,
            "producerId": entry.producer_id,
            "firstOffset": entry.first_offset,
            "lastOffset": entry.last_offset,
            "lastStableOffset": entry.last_stable_offset,
        }


def _producer_facts(data: bytes, _base: int) -> Iterator[dict[str, Fact]]:
    for entry in side.read_snapshot(data):
        yield {
            "producerId": entry.producer_id,
            "producerEpoch": entry.producer_epoch,
            "coordinatorEpoch": entry.coordinator_epoch,
            "currentTxnFirstOffset": entry.transaction_first_offset,
            "lastTimestamp": entry.timestamp,
            "lastSequence": entry.last_sequence,
            "lastOffset": entry.last_offset,
            "offsetDelta": entry.offset_delta,
        }


def _epoch_facts(data: bytes, _base: int) -> Iterator[dict[str, Fact]]:
    for epoch, start_offset in side.read_epochs(data):
        yield {"epoch": epoch, "startOffset": start_offset}


_READERS: Final[dict[str, Callable[[bytes, int], Iterator[dict[str, Fact]]]]] = {
    ".index": _index_facts,
    ".timeindex": _time_facts,
    ".txnindex": _aborted_facts,
    ".snapshot": _producer_facts,
    "leader-epoch-checkpoint": _epoch_facts,
}
