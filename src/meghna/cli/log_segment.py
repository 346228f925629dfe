"""One segment looked at whole: the core reads it (native/log/inspect.h), compressed batches are
opened here and given back to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from meghna._native.batch import header
from meghna._native.inspect import Find, Inspection, Kind, Totals
from meghna.cli.log_finding import Finding, of_segment, unread
from meghna.codecs import decompress
from meghna.errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from meghna.cli.log_paths import PartitionPath

_STEP_SIZE: Final = 8 * 1024 * 1024  # bytes between two looks at an interrupt and the clock
_HEADER_SIZE: Final = 61
_BATCHES_SIZE_MAX: Final = 256 * 1024 * 1024  # of one compressed batch that is opened


@dataclass(slots=True)
class Segment:
    """What a look at a segment found."""

    base: int
    next_base: int | None
    size: int
    totals: Totals | None = None
    findings: list[Finding] = field(default_factory=list)
    gaps: list[Find] = field(default_factory=list)
    epochs: list[Find] = field(default_factory=list)
    aborts: list[Find] = field(default_factory=list)

    @property
    def end_offset(self) -> int:
        return self.base if self.totals is None else self.totals.end_offset


def look(
    partition: PartitionPath,
    segment: Segment,
    *,
    deep: bool,
    on_bytes: Callable[[int], None] = lambda _: None,
    checks_indexes: bool = True,
) -> Segment:
    """Fill in a segment; an error of the disk becomes a finding of its own."""
    name = partition.file(segment.base, "")
    try:
        inspection = Inspection.open(
            partition.path,
            segment.base,
            next_base=segment.next_base,
            checks_indexes=checks_indexes,
        )
    except Error as error:
        segment.findings.append(unread(f"{name}.log", error))
        return segment
    try:
        with open(f"{name}.log", "rb", buffering=0) as file:
            while not inspection.is_done:
                before = inspection.position
                for find in inspection.step(_STEP_SIZE):
                    _sort(segment, name, find)
                    if deep and find.kind == Kind.COMPRESSED:
                        _open(segment, name, inspection, file.fileno(), find)
                on_bytes(inspection.position - before)
    except (Error, OSError) as error:
        segment.findings = [unread(f"{name}.log", error, position=inspection.position)]
    segment.totals = inspection.totals
    inspection.close()
    return segment


def _sort(segment: Segment, name: str, find: Find) -> None:
    match find.kind:
        case Kind.COMPRESSED:
            pass
        case Kind.GAP:
            segment.gaps.append(find)
        case Kind.EPOCH_BEGINS:
            segment.epochs.append(find)
        case Kind.ABORT:
            segment.aborts.append(find)
        case _:
            segment.findings.append(of_segment(name, find))


def _open(segment: Segment, name: str, inspection: Inspection, descriptor: int, find: Find) -> None:
    batch = os.pread(descriptor, find.size, find.position)
    try:
        codec = header(batch).codec
        opened = decompress(codec, memoryview(batch)[_HEADER_SIZE:], size_max=_BATCHES_SIZE_MAX)
    except Error as error:
        segment.findings.append(
            Finding(
                f"{name}.log",
                "compressed",
                str(error),
                position=find.position,
                offset=find.offset,
                size=find.size,
            )
        )
        return
    for wrong in inspection.records(find.position, batch, opened):
        segment.findings.append(of_segment(name, wrong))
