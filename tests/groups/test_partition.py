"""Where groups live, and what a log tells of them."""

from __future__ import annotations

import pytest

from groups.scenario import Scenario
from groups.test_offsets import committed
from meghna.groups.offsets import OffsetRecord
from meghna.groups.partition import GroupPartition, partition_of
from meghna.groups.state import State


@pytest.mark.parametrize(
    ("group_id", "code"),
    [
        ("", 0),
        ("a", 97),
        ("hello", 99162322),
        # Where Kafka put these; negative numbers count by their absolute value.
        ("grp-two", 292_212_068),
        ("group-of-interop-d81178cb", 227_410_068),
        # The one number that has none.
        ("polygenelubricants", 0),
        ("é☃", 0xE9 * 31 + 0x2603),
        # Two units of UTF-16.
        ("😀", 0xD83D * 31 + 0xDE00),
    ],
)
def test_a_group_lives_where_javas_hash_says(group_id: str, code: int) -> None:
    assert partition_of(group_id, 50) == code % 50
    assert partition_of(group_id, 1 << 32) == code


def test_a_log_is_replayed_in_order() -> None:
    scenario = Scenario()
    scenario.stable_group(2)
    partition = GroupPartition(0)
    partition.replay(scenario.log[-1])
    partition.replay(OffsetRecord("g", "t", 0, committed(1)))
    partition.replay(OffsetRecord("g", "t", 0, committed(2)))
    partition.replay(OffsetRecord("g", "t", 1, committed(3)))
    partition.replay(OffsetRecord("g", "t", 1, None))
    assert partition.groups["g"].state is State.STABLE
    assert partition.offsets == {"g": {("t", 0): committed(2)}}


def test_a_commit_alone_makes_a_simple_group() -> None:
    partition = GroupPartition(0)
    partition.replay(OffsetRecord("g", "t", 0, committed(1)))
    group = partition.groups["g"]
    assert (group.state, group.protocol_type) == (State.EMPTY, None)


def test_a_deleted_group_is_gone() -> None:
    partition = GroupPartition(0)
    partition.replay(OffsetRecord("g", "t", 0, committed(1)))
    partition.replay(OffsetRecord("g", "t", 0, None))
    partition.replay("g")
    partition.replay("never seen")
    partition.replay(OffsetRecord("never seen", "t", 0, None))
    assert (partition.groups, partition.offsets) == ({}, {})
