"""Committed offsets: who may commit, what was committed, and when it is forgotten.

Decisions about offsets need the group's state but never change it. Offsets expire by KIP-211: while
consumers may be reading a topic its offsets stay, however old; the clock runs from the moment
when the group became empty, or from the commit where a consumer works without a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meghna.groups.group import CONSUMER
from meghna.groups.refusal import Refusal
from meghna.groups.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meghna.groups.group import Group

NO_TOPIC_ID = bytes(16)
_TIMESTAMP_MAX = 2**63 - 1

TopicPartition = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedOffset:
    offset: int
    leader_epoch: int
    """Of the last record consumed; -1 where the client does not know."""
    metadata: str
    commit_timestamp_ms: int
    expire_timestamp_ms: int | None
    """Only where an old client asked for a retention time of its own."""
    topic_id: bytes


@dataclass(frozen=True, slots=True)
class OffsetRecord:
    """A durable fact: what `group_id` committed for a partition, or that it is forgotten (None)."""

    group_id: str
    topic: str
    partition: int
    committed: CommittedOffset | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionCommit:
    """One partition of a commit, as the client asks for it."""

    topic: str
    topic_id: bytes
    partition: int
    offset: int
    leader_epoch: int
    metadata: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    member_id: str
    instance_id: str | None
    generation: int
    """-1 from a client that commits without being a member."""
    retention_ms: int | None
    partitions: tuple[PartitionCommit, ...]


@dataclass(frozen=True, slots=True)
class CommitDecision:
    records: tuple[OffsetRecord, ...]
    refusals: tuple[Refusal | None, ...]
    """One for each partition of the commit, in its order."""
    keeps_session: bool
    """The commit is as good as a heartbeat of its member."""


def commit(
    group: Group | None, group_id: str, event: Commit, *, now_ms: int, metadata_size_max: int
) -> CommitDecision | Refusal:
    refusal = commit_refusal(group, event)
    if refusal is not None:
        return refusal
    expire_ms = None
    if event.retention_ms is not None:
        # As good as never; Kafka's sum overflows and expires the offset at once.
        expire_ms = min(now_ms + event.retention_ms, _TIMESTAMP_MAX)
    records = []
    refusals: list[Refusal | None] = []
    for partition in event.partitions:
        metadata = partition.metadata or ""
        if java_size(metadata) > metadata_size_max:
            refusals.append(Refusal.OFFSET_METADATA_TOO_LARGE)
            continue
        refusals.append(None)
        committed = CommittedOffset(
            offset=partition.offset,
            leader_epoch=partition.leader_epoch,
            metadata=metadata,
            commit_timestamp_ms=now_ms,
            expire_timestamp_ms=expire_ms,
            topic_id=partition.topic_id,
        )
        records.append(OffsetRecord(group_id, partition.topic, partition.partition, committed))
    keeps_session = group is not None and group.state in (State.STABLE, State.PREPARING_REBALANCE)
    return CommitDecision(tuple(records), tuple(refusals), keeps_session)


def commit_refusal(group: Group | None, event: Commit) -> Refusal | None:
    if group is None:
        # A consumer without a group needs none: its first commit makes a simple one.
        return None if event.generation < 0 else Refusal.GROUP_ID_NOT_FOUND
    if group.state is State.DEAD:
        return Refusal.COORDINATOR_NOT_AVAILABLE
    if event.generation < 0 and group.state is State.EMPTY:
        return None
    if event.generation < 0 and not event.member_id and event.instance_id is None:
        # Members are at work; an outsider must not move their offsets.
        return Refusal.UNKNOWN_MEMBER_ID
    refusal = group.refusal_of(event.member_id, event.instance_id)
    if refusal is not None:
        return refusal
    if event.generation != group.generation:
        return Refusal.ILLEGAL_GENERATION
    if group.state is State.COMPLETING_REBALANCE:
        return Refusal.REBALANCE_IN_PROGRESS
    return None


def delete_refusal(group: Group | None) -> Refusal | None:
    """Why the group's offsets cannot be deleted at all."""
    if group is None or group.state is State.DEAD:
        return Refusal.GROUP_ID_NOT_FOUND
    if group.state is not State.EMPTY and group.protocol_type != CONSUMER:
        return Refusal.NON_EMPTY_GROUP
    return None


def expired(
    group: Group,
    offsets: Mapping[TopicPartition, CommittedOffset],
    *,
    now_ms: int,
    retention_ms: int,
) -> tuple[OffsetRecord, ...]:
    """What is to be forgotten now."""
    if group.protocol_type is None:
        since_ms = None
    elif group.state is State.EMPTY:
        # Groups stored before Kafka 2.1 do not tell when they became empty.
        since_ms = group.state_since_ms if group.state_since_ms >= 0 else None
    elif (
        group.protocol_type == CONSUMER
        and group.topics is not None
        and (group.state is State.STABLE)
    ):
        since_ms = None
    else:
        return ()
    return tuple(
        OffsetRecord(group.group_id, topic, partition, None)
        for (topic, partition), committed in offsets.items()
        if not group.is_subscribed_to(topic)
        and is_expired(committed, since_ms, now_ms=now_ms, retention_ms=retention_ms)
    )


def is_expired(
    committed: CommittedOffset, since_ms: int | None, *, now_ms: int, retention_ms: int
) -> bool:
    if committed.expire_timestamp_ms is not None:
        return now_ms >= committed.expire_timestamp_ms
    start_ms = committed.commit_timestamp_ms if since_ms is None else since_ms
    return now_ms - start_ms >= retention_ms


def java_size(text: str) -> int:
    """The size of a string as Java counts it: characters beyond U+FFFF are two."""
    return len(text) + sum(character > "\uffff" for character in text)
