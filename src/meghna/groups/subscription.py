"""Which topics a consumer subscribed to, read from the metadata it joined with.

    int16 version | int32 count | count of (int16 size, UTF-8 name) | whatever later versions add

The coordinator never interprets assignments; it reads this much only to know which offsets are in
use. What does not parse comes from another kind of client and is not an error.
"""

from __future__ import annotations

import struct


def subscribed_topics(metadata: bytes) -> frozenset[str] | None:
    """The topics, or None where the bytes are not a consumer's subscription."""
    try:
        version, count = struct.unpack_from(">hi", metadata)
        if version < 0 or count < 0 or count * 2 > len(metadata):
            return None
        position = 6
        topics = []
        for _ in range(count):
            (size,) = struct.unpack_from(">h", metadata, position)
            position += 2
            if size < 0 or size > len(metadata) - position:
                return None
            topics.append(metadata[position : position + size].decode())
            position += size
    except (struct.error, UnicodeDecodeError):
        return None
    return frozenset(topics)
