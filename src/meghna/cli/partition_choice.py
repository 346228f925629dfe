"""Which partition a record goes to, as Kafka's own producers decide.

A key decides by murmur2, so that our records meet those of a Java client; a record without a key
stays with one partition for a whole batch and then moves on, so that batches are full.
"""

from __future__ import annotations

SEED = 0x9747B28C
MULTIPLIER = 0x5BD1E995
SHIFT = 24
MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit MurmurHash2, as an unsigned number."""
    left = len(data) % 4
    whole = len(data) - left
    state = (SEED ^ len(data)) & MASK
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * MULTIPLIER & MASK
        word = (word ^ word >> SHIFT) * MULTIPLIER & MASK
        state = (state * MULTIPLIER & MASK) ^ word
    if left:
        state = (state ^ int.from_bytes(data[whole:], "little")) * MULTIPLIER & MASK
    state = (state ^ state >> 13) * MULTIPLIER & MASK
    return state ^ state >> 15


def partition_of(key: bytes, partition_count: int) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % partition_count
