"""Readers of a compacted topic, its writer's and others', while its segments are being replaced."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

import meghna

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 3.0
FILLER = b"x" * 1000
ROUND = 1200  # Records that fill a segment of the least size that there is.


def compact_until(stop: threading.Event, log: meghna.Log) -> int:
    """Appends a key for good and many passing ones, seals, compacts, and again. The passes."""
    topic, passes = log["t"], 0
    while not stop.is_set():
        topic.append(b"stays", key=b"%d" % passes)
        topic.append_many([FILLER] * ROUND, key=[b"passing"] * ROUND)
        log.flush()
        log.apply_retention()
        passes += 1
    return passes


@pytest.mark.parametrize("beside", [False, True])
def test_no_record_is_missed(tmp_path: Path, beside: bool) -> None:
    settings: dict[str, str | int] = {
        "cleanup.policy": "compact",
        "segment.bytes": 1 << 20,
        "min.cleanable.dirty.ratio": "0.01",
    }
    stop = threading.Event()
    with meghna.open(tmp_path) as log:
        log.topic("t", create=True, settings=settings)
        writer = threading.Thread(target=compact_until, args=(stop, log))
        writer.start()
        try:
            reader = meghna.open(tmp_path, read_only=True) if beside else log
            seen: set[bytes] = set()
            scans, end = 0, time.monotonic() + SECONDS
            while time.monotonic() < end:
                found = {bytes(record.key or b"") for record in reader["t"]}
                assert seen - found - {b"passing"} == set()
                seen, scans = found, scans + 1
            if beside:
                reader.close()
        finally:
            stop.set()
            writer.join()
    assert len(seen) > 5
    assert scans > 5
