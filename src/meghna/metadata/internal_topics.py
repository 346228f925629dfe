"""The topics that brokers keep for themselves, and the settings that Kafka makes them with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OFFSETS_TOPIC: Final = "__consumer_offsets"
TRANSACTIONS_TOPIC: Final = "__transaction_state"
SHARE_TOPIC: Final = "__share_group_state"
METADATA_TOPIC: Final = "__cluster_metadata"
INTERNAL_TOPICS: Final = frozenset({OFFSETS_TOPIC, TRANSACTIONS_TOPIC, SHARE_TOPIC})

_SEGMENT_SIZE: Final = 104_857_600  # offsets.topic.segment.bytes and the like, by default
_COMPACTED: Final = {"cleanup.policy": "compact", "compression.type": "producer"}
_DELETED: Final = {"cleanup.policy": "delete", "compression.type": "none", "retention.ms": "-1"}


def internal_settings(name: str, *, segment_size: int = _SEGMENT_SIZE) -> Mapping[str, str]:
    """What an internal topic is made with; nothing for any other.

    Under a topic's defaults a week's retention would take what groups have committed.
    """
    if name not in INTERNAL_TOPICS:
        return {}
    kept = _DELETED if name == SHARE_TOPIC else _COMPACTED
    return {**kept, "segment.bytes": str(segment_size)}
