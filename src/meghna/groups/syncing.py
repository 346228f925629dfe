"""SyncGroup and Heartbeat: the leader's assignments reach the members, and the members stay alive.

The group is stable once the leader's assignments are durable, not before: `sync` of the leader
answers nobody, `stored` answers all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meghna.groups.decision import Alive, Decision, Refused, Reply, Synced, Timer, TimerKind
from meghna.groups.refusal import Refusal
from meghna.groups.state import State
from meghna.groups.step import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meghna.groups.decision import GroupRecord
    from meghna.groups.group import Group
    from meghna.groups.member import Member, Waiter
    from meghna.groups.settings import GroupSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    member_id: str
    instance_id: str | None
    generation: int
    protocol_type: str | None
    """What the client believes; None where its version cannot say."""
    protocol: str | None
    assignments: Mapping[str, bytes]
    """By member id, from the leader; empty from everybody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    member_id: str
    instance_id: str | None
    generation: int


def sync(
    group: Group, event: Sync, waiter: Waiter, *, now_ms: int, settings: GroupSettings
) -> Decision:
    step = Step(group, now_ms=now_ms, settings=settings)
    refusal = sync_refusal(group, event)
    if refusal is not None:
        return step.refuse(waiter, refusal)
    member = group.members[event.member_id]
    see_sync(step, member.member_id)
    if group.state is State.STABLE:
        return step.reply(waiter, synced(step.group, member))
    if member.sync_waiter is not None:
        # Asked again on another connection; the first request was given up.
        step.refuse(member.sync_waiter, Refusal.REBALANCE_IN_PROGRESS)
    step.put(replace(member, sync_waiter=waiter))
    if group.leader == member.member_id:
        step.record = step.group.record(event.assignments)
    return step.decision()


def sync_refusal(group: Group, event: Sync) -> Refusal | None:
    if group.state is State.EMPTY:
        return Refusal.UNKNOWN_MEMBER_ID
    if group.state is State.DEAD:
        return Refusal.COORDINATOR_NOT_AVAILABLE
    refusal = group.refusal_of(event.member_id, event.instance_id)
    if refusal is not None:
        return refusal
    if event.generation != group.generation:
        return Refusal.ILLEGAL_GENERATION
    if event.protocol_type not in (None, group.protocol_type) or (
        group.protocol is not None and event.protocol not in (None, group.protocol)
    ):
        return Refusal.INCONSISTENT_GROUP_PROTOCOL
    if group.state is State.PREPARING_REBALANCE:
        return Refusal.REBALANCE_IN_PROGRESS
    return None


def see_sync(step: Step, member_id: str) -> None:
    if not step.group.unsynced:
        return
    unsynced = step.group.unsynced - {member_id}
    step.group = replace(step.group, unsynced=unsynced)
    if not unsynced:
        step.cancel_timer(TimerKind.SYNC)


def synced(group: Group, member: Member) -> Synced:
    return Synced(
        protocol_type=group.protocol_type, protocol=group.protocol, assignment=member.assignment
    )


def stored(group: Group, record: GroupRecord, *, now_ms: int, settings: GroupSettings) -> Decision:
    """`record` is durable. If the group still waits for it, the generation begins its work.

    Meanwhile another member may have joined: then the assignments came too late for everybody.
    """
    step = Step(group, now_ms=now_ms, settings=settings)
    if group.state is not State.COMPLETING_REBALANCE or record.generation != group.generation:
        return step.decision()
    assignments = {member.member_id: member.assignment for member in record.members}
    members = {
        key: replace(member, assignment=assignments.get(key, b""))
        for key, member in group.members.items()
    }
    for member in members.values():
        if member.sync_waiter is not None:
            step.reply(member.sync_waiter, synced(group, member))
            # Its session was not watched while it waited.
            step.watch(member)
    step.put_all({key: replace(member, sync_waiter=None) for key, member in members.items()})
    step.move(State.STABLE)
    return step.decision()


def store_failed(
    group: Group, record: GroupRecord, *, now_ms: int, settings: GroupSettings
) -> Decision:
    """`record` could not be stored: a generation without assignments is over before it began."""
    step = Step(group, now_ms=now_ms, settings=settings)
    if group.state is State.COMPLETING_REBALANCE and record.generation == group.generation:
        step.drop_assignments(Refusal.COORDINATOR_NOT_AVAILABLE)
        step.prepare_rebalance()
    return step.decision()


def heartbeat(group: Group, event: Heartbeat, waiter: Waiter) -> Decision:
    """Changes nothing but a timer, so it costs nothing that grows with the group."""
    if group.state is State.DEAD:
        refusal: Refusal | None = Refusal.COORDINATOR_NOT_AVAILABLE
    else:
        refusal = group.refusal_of(event.member_id, event.instance_id)
        if refusal is None and event.generation != group.generation:
            refusal = Refusal.ILLEGAL_GENERATION
    if refusal is not None:
        return Decision(group, (Reply(waiter, Refused(refusal)),))
    member = group.members[event.member_id]
    timers = (Timer(TimerKind.SESSION, member.member_id, member.session_timeout_ms),)
    if group.state is State.PREPARING_REBALANCE:
        answer: Refused | Alive = Refused(Refusal.REBALANCE_IN_PROGRESS)
    else:
        answer = Alive()
    return Decision(group, (Reply(waiter, answer),), timers)
