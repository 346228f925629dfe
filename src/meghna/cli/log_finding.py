"""What `meghna log verify` tells: faults, notes of what is unusual but not wrong, and errors: what
could not be read, and says nothing of what lies there.

A finding names the file, the position in it and the offset, in that order; one line each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meghna._native.inspect import Damage, Find, Kind

if TYPE_CHECKING:
    from meghna.cli.output import Row

FAULT, NOTE, ERROR = "fault", "note", "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something at a place of a file."""

    file: str
    kind: str
    message: str
    severity: str = FAULT
    position: int | None = None
    offset: int | None = None
    size: int | None = None

    def line(self) -> str:
        where = self.file
        if self.position is not None:
            where += f"  position {self.position}"
        if self.offset is not None:
            where += f"  offset {self.offset}"
        return f"{self.severity}  {where}  {self.message}"

    def row(self) -> Row:
        return {
            "severity": self.severity,
            "file": self.file,
            "position": self.position,
            "offset": self.offset,
            "kind": self.kind,
            "size": self.size,
            "message": self.message,
        }


def unread(file: str, error: Exception, *, position: int | None = None) -> Finding:
    """A file that could not be read: permissions or the disk, no damage."""
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return Finding(file, "unreadable", f"cannot be read: {why}", ERROR, position=position)


_DAMAGES = {
    Damage.BAD_CHECKSUM: "a batch contradicts its checksum",
    Damage.NO_HEADER: "no batch begins here",
    Damage.TOO_LONG: "a batch reaches beyond the end of the file",
    Damage.ZEROS: "zeros",
}


# With the fields of a Find; `damage` is why bytes are no batch.
_MESSAGES = {
    Kind.DAMAGED: "{damage}: {size} bytes up to the next that is intact",
    Kind.TORN: "{damage}: {size} bytes, nothing intact behind them",
    Kind.OLD_FORMAT: "messages of format 0 or 1; what follows is not checked",
    Kind.OFFSET: "a batch of offset {a}, where {offset} to {b} can be",
    Kind.CODEC: "a batch compressed with codec {a}, which there is not",
    Kind.RECORDS: "records contradict their sizes or their count",
    Kind.RECORD_OFFSET: "the offset of record {a} does not ascend, or lies beyond its batch",
    Kind.TIMESTAMP: "max_timestamp {a}, and the greatest of its records is {b}",
    Kind.EPOCH: "leader epoch {a} beside {b}",
    Kind.INDEX_ORDER: "an entry that does not ascend: offset {a}, position {b}",
    Kind.INDEX_ENTRY: "no batch that ends with offset {a} begins at position {b}",
    Kind.TIMES_ORDER: "an entry that does not ascend: timestamp {a}, offset {b}",
    Kind.TIMES_ENTRY: "timestamp {a} up to offset {b} is not what the batches say",
    Kind.TIMES_SHORT: "it ends with timestamp {a}, and the batches reach {b}",
}
_BYTES_KINDS = (Kind.DAMAGED, Kind.TORN)
_INDEX_KINDS = {
    Kind.INDEX_ORDER: ".index",
    Kind.INDEX_ENTRY: ".index",
    Kind.TIMES_ORDER: ".timeindex",
    Kind.TIMES_ENTRY: ".timeindex",
    Kind.TIMES_SHORT: ".timeindex",
}


def of_segment(segment: str, find: Find) -> Finding:
    """A finding of what the core found; `segment` is the path without a suffix."""
    kind = Kind(find.kind)
    return Finding(
        segment + _INDEX_KINDS.get(kind, ".log"),
        kind.name.lower().replace("_", "-"),
        _MESSAGES[kind].format(
            damage=_DAMAGES.get(Damage(find.a)) if kind in _BYTES_KINDS else None, **find._asdict()
        ),
        position=find.position,
        offset=find.offset,
        size=find.size or None,
    )
