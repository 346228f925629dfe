"""Records by their time: the log finds the batch, here the record inside it is found.

A batch is opened for that even if it is compressed; so all of this waits for the disk and the
codecs, and runs on a worker thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from meghna._native import batch
from meghna.codecs import decompress
from meghna.errors import CorruptDataError

if TYPE_CHECKING:
    from meghna._native.log import Log

_ANY_TIME = -(2**63)
CONTROL = 0x20
"""The attribute bit of a batch that holds a transaction's marker and no records of clients."""


class Found(NamedTuple):
    """A place in a log; all -1 where there is none."""

    timestamp: int = -1
    offset: int = -1
    leader_epoch: int = -1


def first_epoch(log: Log) -> int:
    """The leader epoch of the first record that is intact; -1 where there is none."""
    data: bytes | None
    try:
        data = log.read_batch(log.start_offset)
    except CorruptDataError:  # the log begins with a gap that damage left
        data = log.find_timestamp(_ANY_TIME)
    return batch.header(data).leader_epoch if data else -1


def search(log: Log, timestamp: int) -> Found:
    """The first record whose timestamp is at least `timestamp`.

    Raises:
        Error: the batch cannot be read or opened.
    """
    return _first_in(log, log.find_timestamp(timestamp), timestamp)


def greatest(log: Log) -> Found:
    """The first record with the greatest timestamp of all.

    Raises:
        Error: as `search`.
    """
    data = log.find_max_timestamp()
    return _first_in(log, data, batch.header(data).max_timestamp) if data else Found()


def _first_in(log: Log, data: bytes | None, timestamp: int) -> Found:
    while data:
        header = batch.header(data)
        if not header.attributes & CONTROL:
            for record in batch.records(data, decompress=decompress):
                if record.timestamp >= timestamp and record.offset >= log.start_offset:
                    return Found(record.timestamp, record.offset, header.leader_epoch)
        # The batch's records at that time are deleted, or compaction took them.
        data = log.find_timestamp(timestamp, start=header.last_offset + 1)
    return Found()
