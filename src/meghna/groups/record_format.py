"""What the coordinator keeps, in the bytes that Kafka 4.3 writes to `__consumer_offsets`.

    key     int16 id      id 0 and 1: group, topic, partition · id 2: group
    value   int16 version · fields; none at all where the fact is taken back

The versions written are Kafka's: an offset has version 4 (with the topic's id), or version 1 where
an old client asked for a retention time; a group has version 3. All older ones are read.
"""

from __future__ import annotations

import logging
from typing import cast

from meghna.errors import ProtocolError
from meghna.groups.decision import GroupRecord, MemberRecord
from meghna.groups.journal import LogRecord
from meghna.groups.offsets import NO_TOPIC_ID, CommittedOffset, OffsetRecord
from meghna.protocol.messages import (
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
    OffsetCommitKey,
    OffsetCommitValue,
)
from meghna.protocol.wire import decode_coordinator_record, encode_record

GROUP_VERSION = 3
OFFSET_VERSION = 4
OFFSET_WITH_EXPIRY_VERSION = 1

log = logging.getLogger(__name__)


def encode_group(record: GroupRecord, *, timestamp_ms: int) -> LogRecord:
    value = GroupMetadataValue(
        protocol_type=record.protocol_type,
        generation=record.generation,
        protocol=record.protocol,
        leader=record.leader,
        current_state_timestamp=record.state_since_ms,
        members=[
            MemberMetadata(
                member_id=member.member_id,
                group_instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout=member.rebalance_timeout_ms,
                session_timeout=member.session_timeout_ms,
                subscription=member.subscription,
                assignment=member.assignment,
            )
            for member in record.members
        ],
    )
    return LogRecord(
        encode_record("GroupMetadataKey", 0, GroupMetadataKey(record.group_id)),
        encode_record("GroupMetadataValue", GROUP_VERSION, value),
        timestamp_ms,
    )


def encode_deleted_group(group_id: str, *, timestamp_ms: int) -> LogRecord:
    key = encode_record("GroupMetadataKey", 0, GroupMetadataKey(group_id))
    return LogRecord(key, None, timestamp_ms)


def encode_offset(record: OffsetRecord, *, timestamp_ms: int) -> LogRecord:
    key = OffsetCommitKey(record.group_id, record.topic, record.partition)
    value = None
    committed = record.committed
    if committed is not None:
        version = OFFSET_VERSION
        if committed.expire_timestamp_ms is not None:
            version = OFFSET_WITH_EXPIRY_VERSION
        value = encode_record(
            "OffsetCommitValue",
            version,
            OffsetCommitValue(
                offset=committed.offset,
                leader_epoch=committed.leader_epoch if version == OFFSET_VERSION else -1,
                metadata=committed.metadata,
                commit_timestamp=committed.commit_timestamp_ms,
                expire_timestamp=committed.expire_timestamp_ms
                if committed.expire_timestamp_ms is not None
                else -1,
                topic_id=committed.topic_id if version == OFFSET_VERSION else NO_TOPIC_ID,
            ),
        )
    return LogRecord(encode_record("OffsetCommitKey", 0, key), value, timestamp_ms)


def decode(key: bytes, value: bytes | None) -> GroupRecord | OffsetRecord | str | None:
    """The fact that a record tells: a group, an offset, the id of a deleted group. None where it
    is of a kind that this broker does not serve; such records stay in the log untouched."""
    try:
        name, fields, content = decode_coordinator_record("group", key, value)
    except ProtocolError as unknown:
        log.warning("Ignoring a record of __consumer_offsets: %s", unknown)
        return None
    match name:
        case "OffsetCommit" | "LegacyOffsetCommit":
            return decode_offset(
                cast("OffsetCommitKey", fields), cast("OffsetCommitValue | None", content)
            )
        case "GroupMetadata":
            group_id = cast("GroupMetadataKey", fields).group
            if content is None:
                return group_id
            return decode_group(group_id, cast("GroupMetadataValue", content))
        case _:
            return None


def decode_offset(key: OffsetCommitKey, value: OffsetCommitValue | None) -> OffsetRecord:
    if value is None:
        return OffsetRecord(key.group, key.topic, key.partition, None)
    expire_timestamp_ms = getattr(value, "expire_timestamp", -1)
    committed = CommittedOffset(
        offset=value.offset,
        leader_epoch=getattr(value, "leader_epoch", -1),
        metadata=value.metadata,
        commit_timestamp_ms=value.commit_timestamp,
        expire_timestamp_ms=expire_timestamp_ms if expire_timestamp_ms != -1 else None,
        topic_id=getattr(value, "topic_id", NO_TOPIC_ID),
    )
    return OffsetRecord(key.group, key.topic, key.partition, committed)


def decode_group(group_id: str, value: GroupMetadataValue) -> GroupRecord:
    return GroupRecord(
        group_id=group_id,
        protocol_type=value.protocol_type,
        generation=value.generation,
        protocol=value.protocol,
        leader=value.leader,
        state_since_ms=value.current_state_timestamp,
        members=tuple(
            MemberRecord(
                member_id=member.member_id,
                instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout_ms=member.rebalance_timeout,
                session_timeout_ms=member.session_timeout,
                subscription=member.subscription,
                assignment=member.assignment,
            )
            for member in value.members
        ),
    )
