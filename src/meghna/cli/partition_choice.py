"""Which partition a record goes to, as Kafka's own producers decide.

A key decides by murmur2, so that our records meet those of a Java client; a record without a key
stays with one partition for a whole batch and then moves on, so that batches are full.
"""

from __future__ import annotations

from meghna._native.ingest import murmur2


def partition_of(key: bytes, partition_count: int) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % partition_count
