"""Who may commit, what is stored, and when it is forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from groups.scenario import SETTINGS, Scenario
from meghna.groups import offsets
from meghna.groups.offsets import NO_TOPIC_ID, Commit, CommittedOffset, PartitionCommit
from meghna.groups.refusal import Refusal
from meghna.groups.state import State

if TYPE_CHECKING:
    from meghna.groups.group import Group

RETENTION_MS = SETTINGS.retention_ms


def ask(
    generation: int = -1,
    member_id: str = "",
    *,
    instance_id: str | None = None,
    metadata: str | None = "m",
    retention_ms: int | None = None,
) -> Commit:
    partition = PartitionCommit(
        topic="t", topic_id=bytes(16), partition=3, offset=42, leader_epoch=7, metadata=metadata
    )
    return Commit(
        member_id=member_id,
        instance_id=instance_id,
        generation=generation,
        retention_ms=retention_ms,
        partitions=(partition,),
    )


def decide(group: Group | None, event: Commit) -> offsets.CommitDecision | Refusal:
    return offsets.commit(group, "g", event, now_ms=1_000, metadata_size_max=10)


def refusal(group: Group | None, event: Commit) -> Refusal | None:
    decision = decide(group, event)
    return decision if isinstance(decision, Refusal) else None


def test_a_consumer_without_a_group_commits_to_what_nobody_uses() -> None:
    decision = decide(None, ask())
    assert isinstance(decision, offsets.CommitDecision)
    (record,) = decision.records
    assert (record.group_id, record.topic, record.partition) == ("g", "t", 3)
    assert record.committed == CommittedOffset(
        offset=42,
        leader_epoch=7,
        metadata="m",
        commit_timestamp_ms=1_000,
        expire_timestamp_ms=None,
        topic_id=NO_TOPIC_ID,
    )
    assert not decision.keeps_session
    scenario = Scenario()
    assert refusal(scenario.group, ask()) is None
    assert refusal(scenario.group, ask(member_id="whoever")) is None


def test_a_generation_needs_a_group() -> None:
    assert refusal(None, ask(generation=1, member_id="m")) is Refusal.GROUP_ID_NOT_FOUND
    assert refusal(Scenario().group, ask(0, "m")) is Refusal.UNKNOWN_MEMBER_ID


def test_members_commit_in_their_generation_and_outsiders_do_not() -> None:
    scenario = Scenario()
    (member,) = scenario.stable_group(1)
    decision = decide(scenario.group, ask(1, member))
    assert isinstance(decision, offsets.CommitDecision)
    assert decision.keeps_session
    assert refusal(scenario.group, ask()) is Refusal.UNKNOWN_MEMBER_ID
    assert refusal(scenario.group, ask(1, "stranger")) is Refusal.UNKNOWN_MEMBER_ID
    assert refusal(scenario.group, ask(2, member)) is Refusal.ILLEGAL_GENERATION
    assert refusal(scenario.group, ask(-1, member)) is Refusal.ILLEGAL_GENERATION
    fenced = ask(1, member, instance_id="i")
    assert refusal(scenario.group, fenced) is Refusal.UNKNOWN_MEMBER_ID


def test_members_may_commit_while_they_prepare_but_not_while_they_wait_for_assignments() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    scenario.join(leader)
    assert refusal(scenario.group, ask(1, other)) is None
    scenario.join(other)
    assert scenario.state() is State.COMPLETING_REBALANCE
    assert refusal(scenario.group, ask(1, other)) is Refusal.ILLEGAL_GENERATION
    assert refusal(scenario.group, ask(2, other)) is Refusal.REBALANCE_IN_PROGRESS


def test_metadata_is_measured_as_java_does() -> None:
    for metadata, fits in (
        ("x" * 10, True),
        ("x" * 11, False),
        ("😀" * 5, True),
        ("😀" * 6, False),
    ):
        decision = decide(None, ask(metadata=metadata))
        assert isinstance(decision, offsets.CommitDecision)
        expected = None if fits else Refusal.OFFSET_METADATA_TOO_LARGE
        assert (decision.refusals, len(decision.records)) == ((expected,), fits)


def test_no_metadata_is_stored_as_empty() -> None:
    decision = decide(None, ask(metadata=None))
    assert isinstance(decision, offsets.CommitDecision)
    assert decision.records[0].committed is not None
    assert decision.records[0].committed.metadata == ""


def committed(at_ms: int, expire_ms: int | None = None) -> CommittedOffset:
    return CommittedOffset(
        offset=1,
        leader_epoch=-1,
        metadata="",
        commit_timestamp_ms=at_ms,
        expire_timestamp_ms=expire_ms,
        topic_id=NO_TOPIC_ID,
    )


def expired(group: Group, offset: CommittedOffset, now_ms: int, topic: str = "t") -> bool:
    found = offsets.expired(group, {(topic, 0): offset}, now_ms=now_ms, retention_ms=RETENTION_MS)
    assert all(record.committed is None for record in found)
    return bool(found)


def test_without_a_group_the_time_runs_from_the_commit() -> None:
    group = Scenario().group
    assert not expired(group, committed(1_000), 999 + RETENTION_MS)
    assert expired(group, committed(1_000), 1_000 + RETENTION_MS)


def test_the_time_of_an_empty_group_runs_from_when_it_became_empty() -> None:
    scenario = Scenario()
    scenario.leave(*scenario.stable_group(1))
    scenario.settle()
    left_ms = scenario.now_ms
    assert not expired(scenario.group, committed(0), left_ms + RETENTION_MS - 1)
    assert expired(scenario.group, committed(0), left_ms + RETENTION_MS)
    of_old_kafka = replace(scenario.group, state_since_ms=-1)
    assert expired(of_old_kafka, committed(0), RETENTION_MS)


def test_offsets_of_topics_in_use_never_expire_and_others_do() -> None:
    scenario = Scenario()
    leader, _ = scenario.stable_group(2)
    late_ms = 100 * RETENTION_MS
    assert not expired(scenario.group, committed(0), late_ms)
    assert expired(scenario.group, committed(0), late_ms, topic="u")
    assert not expired(replace(scenario.group, topics=None), committed(0), late_ms, topic="u")
    scenario.join(leader)
    assert not expired(scenario.group, committed(0), late_ms, topic="u"), "while it rebalances"


def test_a_retention_time_that_was_asked_for_comes_first() -> None:
    group = Scenario().group
    assert not expired(group, committed(0, expire_ms=5_000), 4_999)
    assert expired(group, committed(0, expire_ms=5_000), 5_000)
    assert not expired(group, committed(0, expire_ms=9 * RETENTION_MS), 2 * RETENTION_MS)
    decision = decide(None, ask(retention_ms=500))
    assert isinstance(decision, offsets.CommitDecision)
    assert decision.records[0].committed is not None
    assert decision.records[0].committed.expire_timestamp_ms == 1_500


def test_a_retention_time_beyond_the_end_of_time_means_never() -> None:
    decision = decide(None, ask(retention_ms=2**63 - 1))
    assert isinstance(decision, offsets.CommitDecision)
    assert decision.records[0].committed is not None
    assert decision.records[0].committed.expire_timestamp_ms == 2**63 - 1


def test_offsets_can_be_deleted_where_nobody_can_be_reading() -> None:
    scenario = Scenario()
    assert offsets.delete_refusal(None) is Refusal.GROUP_ID_NOT_FOUND
    assert offsets.delete_refusal(scenario.group) is None
    scenario.stable_group(1)
    assert offsets.delete_refusal(scenario.group) is None, "each topic is looked at"
    connect = replace(scenario.group, protocol_type="connect")
    assert offsets.delete_refusal(connect) is Refusal.NON_EMPTY_GROUP
