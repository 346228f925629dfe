"""One partition of `__consumer_offsets`: the groups that hash to it, as its log tells them.

`replay` is the only way in which a durable fact gets in, while running as well as after a restart.
"""

from __future__ import annotations

from collections import Counter

from meghna.groups.decision import GroupRecord
from meghna.groups.group import Group
from meghna.groups.offsets import CommittedOffset, OffsetRecord, TopicPartition

Record = GroupRecord | OffsetRecord | str
"""What a log holds: a group, an offset, or the id of a group that was deleted."""


def partition_of(group_id: str, partition_count: int) -> int:
    """Where a group lives: Java's hash of its id, since the log may have been Kafka's."""
    code = 0
    units = group_id.encode("utf-16-be", "surrogatepass")
    for index in range(0, len(units), 2):
        code = (code * 31 + (units[index] << 8 | units[index + 1])) & 0xFFFFFFFF
    # The absolute value of the signed number; Kafka takes 0 for the one that has none.
    if code >= 1 << 31:
        code = ((1 << 32) - code) & 0x7FFFFFFF
    return code % partition_count


class GroupPartition:
    """Groups and offsets by group id. Belongs to one coordinator, on one event loop."""

    __slots__ = ("groups", "index", "offsets", "unsettled")

    def __init__(self, index: int) -> None:
        self.index = index
        self.groups: dict[str, Group] = {}
        self.offsets: dict[str, dict[TopicPartition, CommittedOffset]] = {}
        self.unsettled: Counter[str] = Counter()
        """By group id, how many appends are on their way to the disk."""

    def replay(self, record: Record) -> None:
        """Take in a durable fact, when the log is read back. A running group learns of its own
        record through `syncing.stored` instead, which also knows who waits for it."""
        match record:
            case OffsetRecord(committed=None):
                self.forget_offset(record)
            case OffsetRecord(committed=committed):
                assert committed is not None
                # A commit without a group makes a simple group: empty, without a protocol.
                if record.group_id not in self.groups:
                    self.groups[record.group_id] = Group(group_id=record.group_id)
                offsets = self.offsets.setdefault(record.group_id, {})
                offsets[record.topic, record.partition] = committed
            case GroupRecord():
                self.groups[record.group_id] = Group.restored(record)
            case str():
                self.groups.pop(record, None)

    def forget_offset(self, record: OffsetRecord) -> None:
        offsets = self.offsets.get(record.group_id)
        if offsets is None:
            return
        offsets.pop((record.topic, record.partition), None)
        if not offsets:
            del self.offsets[record.group_id]
