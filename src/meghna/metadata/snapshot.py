"""Kafka's snapshots of the metadata log: what stands for the beginning that it has deleted.

    <end offset>-<epoch>.checkpoint     batches: what the log said up to the end offset

A control batch opens and another closes the file. Kafka writes one about hourly beside the log and
after a week deletes the log's oldest segments; so the log of a Kafka that has run for long cannot
be read without. We read them and write none: our own log is short.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from meghna._native import batch
from meghna.errors import CorruptDataError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"(?P<end>\d{20})-(?P<epoch>\d{10})\.checkpoint")
_CONTROL = 0x20
_FOOTER_KEY = b"\0\0\0\4"  # version 0, type 4: of the control record that closes a snapshot


class Snapshot(NamedTuple):
    path: str
    end_offset: int
    """One past the last offset that it stands for; the log goes on from here."""


def find(directory: str, *, start_offset: int, end_offset: int) -> Snapshot | None:
    """The newest snapshot from which the log, [start_offset, end_offset), goes on without a gap."""
    found = []
    for name in os.listdir(directory):
        match = _NAME.fullmatch(name)
        if match and start_offset <= int(match["end"]) <= end_offset:
            found.append((int(match["end"]), int(match["epoch"]), name))
    if not found:
        return None
    end, _, name = max(found)
    return Snapshot(os.path.join(directory, name), end)


def batches(snapshot: Snapshot) -> Iterator[memoryview]:
    """The batches of records.

    Raises:
        CorruptDataError: bytes are damaged, or the end is missing.
        OSError: the disk's.
    """
    with open(snapshot.path, "rb") as file:
        data = file.read()
    pieces = batch.split(data)
    is_control = [bool(batch.check(piece).attributes & _CONTROL) for piece in pieces]
    is_closed = bool(pieces) and is_control[-1] and batch.records(pieces[-1])[-1].key == _FOOTER_KEY
    if sum(map(len, pieces)) != len(data) or not is_closed:
        raise CorruptDataError("the snapshot is cut short")
    for piece, control in zip(pieces, is_control, strict=True):
        if not control:
            yield piece
