"""A partition's directory beside its batches: offsets and epochs across segments, and every other
file that lies there, held against what the batches say."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from meghna.cli import log_side_files as side
from meghna.cli.log_finding import ERROR, FAULT, NOTE, Finding
from meghna.storage.directory import id_text
from meghna.storage.store import topic_id_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meghna._native.inspect import Find
    from meghna.cli.log_paths import PartitionPath
    from meghna.cli.log_segment import Segment

_NUMBERED: Final = re.compile(r"(?P<number>\d{20})(?P<suffix>\.[a-z]+)")
_DAMAGED: Final = re.compile(r"(?P<base>\d{20})\.(?P<start>\d+)-(?P<end>\d+)(\.\d+)?\.damaged")
_LEFTOVER: Final = re.compile(r".+\.(deleted|cleaned|swap|tmp)")
_EPOCHS: Final = "leader-epoch-checkpoint"
_TOPIC_ID: Final = "partition.metadata"
_DOUBT: Final = "meghna.fsync-failed"
# Kafka's, of the metadata log alone.
_OF_QUORUM: Final = re.compile(r"quorum-state|\d{20}-\d{10}\.checkpoint(\.part)?")
_SEGMENT_SUFFIXES: Final = (".log", ".index", ".timeindex", ".txnindex")
_GAPS_MAX: Final = 20  # told one by one
_DAMAGE_KINDS: Final = frozenset({"damaged", "torn", "offset"})
_REACH_MAX: Final = (1 << 31) - 1  # of a segment's offsets above its base


@dataclass(frozen=True, slots=True)
class Known:
    """What the data directory knows of a partition, where there is one."""

    topic_id: bytes | None = None
    is_plain: bool = False
    """Never compacted, as far as the metadata tells: each offset must be there."""
    is_clean: bool = False
    start_offset: int = 0
    recovery_point: int = 0


@dataclass(slots=True)
class Partition:
    """A partition and what was found in it."""

    path: PartitionPath
    known: Known
    segments: list[Segment]
    findings: list[Finding] = field(default_factory=list)

    @property
    def end_offset(self) -> int:
        """Of the batches and of what was set aside behind them (native/log/damage.h)."""
        if not self.segments:
            return 0
        last = self.segments[-1]
        reached = last.end_offset
        for start, end in self._damages_of(last.base):
            if last.end_offset <= start <= reached and end - last.base <= _REACH_MAX:
                reached = max(reached, end)
        return reached

    @property
    def kept_end(self) -> int:
        """Where the log goes on: offsets that were on disk for certain are not given out again."""
        point = self.known.recovery_point
        is_in_reach = bool(self.segments) and point - self.segments[-1].base <= _REACH_MAX
        return max(self.end_offset, point if is_in_reach else 0)

    @property
    def start_offset(self) -> int:
        return self.segments[0].base if self.segments else 0

    @property
    def is_unread(self) -> bool:
        """Something could not be read: what the rest means is not known, and nothing may change."""
        told = (*self.findings, *(each for one in self.segments for each in one.findings))
        return any(finding.severity == ERROR for finding in told)

    def file(self, name: str) -> str:
        return os.path.join(self.path.path, name)

    def _damages_of(self, base: int) -> list[tuple[int, int]]:
        matches = (_DAMAGED.fullmatch(name) for name in os.listdir(self.path.path))
        named = (match for match in matches if match and int(match["base"]) == base)
        return sorted((int(match["start"]), int(match["end"])) for match in named)


def check(partition: Partition) -> None:
    """Look at everything but the batches, which were looked at."""
    damages = _check_names(partition)
    _check_gaps(partition, damages)
    _check_epochs(partition)
    if partition.path.only:
        return
    for segment in partition.segments:
        _check_indexes(partition, segment)
        _check_aborted(partition, segment)
    _check_snapshots(partition)
    _check_topic_id(partition)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


# ---- Names ----


def _check_names(partition: Partition) -> list[tuple[int, int]]:
    """The offsets, from and to, of bytes that were set aside."""
    damages: list[tuple[int, int]] = []
    bases = set(partition.path.bases())
    wanted = partition.path.only
    for name in sorted(os.listdir(partition.path.path)):
        path = partition.file(name)
        if match := _DAMAGED.fullmatch(name):
            start, end = int(match["start"]), int(match["end"])
            damages.append((start, max(end, start + 1)))
            if not wanted or int(match["base"]) in wanted:
                size = os.path.getsize(path)
                text = f"{size} damaged bytes of offsets {start} to {end - 1}, set aside"
                partition.findings.append(
                    Finding(path, "set-aside", text, NOTE, offset=start, size=size)
                )
        elif not wanted and (finding := _judge(name, path, bases)):
            partition.findings.append(finding)
    return damages


def _judge(name: str, path: str, bases: set[int]) -> Finding | None:
    if name.endswith(".damaged"):
        return Finding(path, "set-aside", "damaged, set aside", NOTE, size=os.path.getsize(path))
    if name == _DOUBT:
        text = "a fsync failed: what reads well may not be on the disk; the next start writes it"
        return Finding(path, "fsync-failed", text)
    if _LEFTOVER.fullmatch(name):
        return Finding(path, "leftover", "left by a stop; the next start deals with it", NOTE)
    if name.startswith(".") or name in (_EPOCHS, _TOPIC_ID) or _OF_QUORUM.fullmatch(name):
        return None
    match = _NUMBERED.fullmatch(name)
    if match is None:
        if name.endswith((*_SEGMENT_SUFFIXES, ".swap", ".cleaned")):
            return Finding(path, "name", "a name without a base offset; Kafka would not start")
        return Finding(path, "name", "neither Kafka's nor ours", NOTE)
    suffix, number = match["suffix"], int(match["number"])
    if suffix in _SEGMENT_SUFFIXES and number not in bases:
        return Finding(path, "orphan", "an index without its segment", NOTE)
    if suffix not in (*_SEGMENT_SUFFIXES, ".snapshot"):
        return Finding(path, "name", "neither Kafka's nor ours", NOTE)
    return None


# ---- Offsets ----


def _gaps(partition: Partition) -> Iterator[tuple[Segment, int, int, int]]:
    """Segment, position, first missing offset and how many, within and between segments."""
    for segment in partition.segments:
        for find in segment.gaps:
            yield segment, find.position, find.offset, find.a
        if segment.next_base is not None and segment.totals is not None:
            missing = segment.next_base - segment.end_offset
            if missing > 0:
                yield segment, segment.size, segment.end_offset, missing


def _check_gaps(partition: Partition, damages: list[tuple[int, int]]) -> None:
    told = {f.offset for s in partition.segments for f in s.findings if f.kind in _DAMAGE_KINDS}
    unexplained = [
        (segment, position, offset, missing)
        for segment, position, offset, missing in _gaps(partition)
        if offset not in told
        and not any(start < offset + missing and end > offset for start, end in damages)
        and offset + missing > partition.known.start_offset
    ]
    if not unexplained:
        return
    in_all = (
        f"{sum(gap[3] for gap in unexplained)} offsets are missing at {len(unexplained)} places"
    )
    if not partition.known.is_plain:
        text = f"{in_all}, as compaction leaves them"
        partition.findings.append(Finding(partition.path.path, "gap", text, NOTE))
        return
    for segment, position, offset, missing in unexplained[:_GAPS_MAX]:
        file = partition.path.file(segment.base, ".log")
        text = f"offsets {offset} to {offset + missing - 1} are missing"
        partition.findings.append(Finding(file, "gap", text, position=position, offset=offset))
    if len(unexplained) > _GAPS_MAX:
        partition.findings.append(Finding(partition.path.path, "gap", in_all))


# ---- Epochs ----


def _check_epochs(partition: Partition) -> None:
    begun = [(segment, find) for segment in partition.segments for find in segment.epochs]
    _check_epochs_of_batches(partition, begun)
    path = partition.file(_EPOCHS)
    data = _read(path)
    if data is None or partition.path.only:
        return
    try:
        entries = side.read_epochs(data)
    except side.SideFileError as error:
        partition.findings.append(Finding(path, "epochs", str(error), position=error.position))
        return
    end = partition.kept_end
    for entry in entries:
        if entry.start_offset > end and partition.segments:
            text = f"epoch {entry.epoch} begins above the end, {end}"
            partition.findings.append(Finding(path, "epochs", text, offset=entry.start_offset))
    starts = [entry.start_offset for entry in entries]
    for _, find in begun:
        slot = bisect_right(starts, find.offset) - 1
        if find.a < 0 or not entries:
            continue
        said = entries[slot].epoch if slot >= 0 else None
        if said != find.a and not (said is None and find.offset < starts[0]):
            text = f"epoch {said} by the checkpoint, {find.a} by the batch"
            severity = FAULT
            is_newer = slot == len(entries) - 1 and find.a > entries[-1].epoch
            if is_newer and not partition.known.is_clean:
                # The newest epochs are written after their batches, by a clean stop at the latest.
                severity = NOTE
                text = f"{text}, and not written yet; the next start adds it"
            partition.findings.append(Finding(path, "epochs", text, severity, offset=find.offset))


def _check_epochs_of_batches(partition: Partition, begun: list[tuple[Segment, Find]]) -> None:
    before = -1
    for segment, find in begun:
        if find.a < before:
            text = f"leader epoch {find.a} after {before} in the segment before"
            path = partition.path.file(segment.base, ".log")
            partition.findings.append(
                Finding(path, "epoch", text, position=find.position, offset=find.offset)
            )
        before = max(before, find.a)


# ---- Files of a segment ----


def _check_indexes(partition: Partition, segment: Segment) -> None:
    is_sealed = segment.next_base is not None
    for suffix, entry_size in side.ENTRY_SIZES.items():
        path = partition.path.file(segment.base, suffix)
        try:
            size = os.path.getsize(path)
        except FileNotFoundError:
            if is_sealed and segment.size:
                text = "missing; the next start makes it anew"
                partition.findings.append(Finding(path, "missing", text))
            continue
        if size % entry_size:
            text = f"{size} bytes, which is no multiple of {entry_size}"
            partition.findings.append(Finding(path, "size", text, position=size))


def _check_aborted(partition: Partition, segment: Segment) -> None:
    path = partition.path.file(segment.base, ".txnindex")
    try:
        entries = side.read_aborted(_read(path) or b"")
    except side.SideFileError as error:
        partition.findings.append(Finding(path, "aborted", str(error), position=error.position))
        return
    markers = {find.offset: find for find in segment.aborts}
    for slot, entry in enumerate(entries):
        text = _aborted_fault(segment, entry, markers.pop(entry.last_offset, None))
        if text is not None:
            position = side.aborted_position(slot)
            partition.findings.append(
                Finding(path, "aborted", text, position=position, offset=entry.last_offset)
            )
    for find in markers.values():
        if find.b >= 0:  # its transaction has records here: readers would take them for committed
            text = f"producer {find.a} aborted at {find.offset}, and no entry says so"
            partition.findings.append(Finding(path, "aborted", text, offset=find.offset))


def _aborted_fault(segment: Segment, entry: side.AbortedEntry, marker: Find | None) -> str | None:
    """What an entry says that the batches do not; a transaction may have begun in an earlier
    segment, and another one from there may hold the stable offset."""
    if marker is None or marker.a != entry.producer_id:
        return f"producer {entry.producer_id}: no abort marker of its at {entry.last_offset}"
    if segment.gaps:
        return None  # compaction took the records of aborted transactions out
    if entry.first_offset >= segment.base and entry.first_offset != marker.b:
        return f"its transaction begins at {marker.b}, not {entry.first_offset}"
    if entry.last_stable_offset >= segment.base and entry.last_stable_offset != marker.size:
        return f"stable offset {entry.last_stable_offset}, and the batches say {marker.size}"
    return None


def _check_snapshots(partition: Partition) -> None:
    end = partition.kept_end
    for name in sorted(os.listdir(partition.path.path)):
        match = _NUMBERED.fullmatch(name)
        if match is None or match["suffix"] != ".snapshot":
            continue
        path, offset = partition.file(name), int(match["number"])
        try:
            entries = side.read_snapshot(_read(path) or b"")
        except side.SideFileError as error:
            partition.findings.append(
                Finding(path, "snapshot", str(error), position=error.position)
            )
            continue
        if offset > end and partition.segments:
            text = f"a snapshot above the end, {end}"
            partition.findings.append(Finding(path, "snapshot", text, offset=offset))
        for entry in entries:
            if entry.last_offset >= offset:
                text = f"producer {entry.producer_id} has offset {entry.last_offset}"
                partition.findings.append(Finding(path, "snapshot", text, offset=offset))


def _check_topic_id(partition: Partition) -> None:
    path = partition.file(_TOPIC_ID)
    try:
        found = topic_id_in(partition.path.path)
    except (ValueError, UnicodeDecodeError) as error:
        partition.findings.append(Finding(path, "topic-id", f"malformed: {error}", position=0))
        return
    wanted = partition.known.topic_id
    if found is not None and not any(found):
        partition.findings.append(Finding(path, "topic-id", "no topic has this id", position=0))
    elif found is not None and wanted is not None and found != wanted:
        text = f"topic id {id_text(found)}, and the metadata says {id_text(wanted)}"
        partition.findings.append(Finding(path, "topic-id", text, position=0))
