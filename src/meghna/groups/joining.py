"""JoinGroup: how a member comes into a group, and what its coming does to the others.

    client                                coordinator
      │ JoinGroup, no member id                │
      │◀── MEMBER_ID_REQUIRED, a new id ───────│ pending until its session timeout   (from v4 on)
      │ JoinGroup with that id ───────────────▶│ member; the group prepares a rebalance
      │              …                         │ all joined, or the rebalance timeout
      │◀── generation, leader, protocol ───────│ the leader also gets the members' metadata

A static member (one with an instance id) skips the first round: its instance id names it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meghna.groups.decision import Decision, Joined, TimerKind
from meghna.groups.member import GroupProtocol, Member
from meghna.groups.refusal import Refusal
from meghna.groups.settings import NEW_MEMBER_JOIN_TIMEOUT_MS
from meghna.groups.state import State
from meghna.groups.step import Step

if TYPE_CHECKING:
    from meghna.groups.group import Group
    from meghna.groups.member import Waiter
    from meghna.groups.settings import GroupSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A request to join. `new_member_id` is the id it gets if it needs one."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: tuple[GroupProtocol, ...]
    new_member_id: str
    must_know_id: bool
    """The client understands MEMBER_ID_REQUIRED."""
    can_skip_assignment: bool
    """The client understands that a leader may have nothing to assign."""


def join(
    group: Group, event: Join, waiter: Waiter, *, now_ms: int, settings: GroupSettings
) -> Decision:
    step = Step(group, now_ms=now_ms, settings=settings)
    if not has_room(group, event.member_id, settings.size_max):
        step.remove(event.member_id)
        return step.refuse(waiter, Refusal.GROUP_MAX_SIZE_REACHED)
    if group.state is State.DEAD:
        return step.refuse(waiter, Refusal.COORDINATOR_NOT_AVAILABLE, event.member_id)
    if not group.supports(event.protocol_type, event.protocols):
        return step.refuse(waiter, Refusal.INCONSISTENT_GROUP_PROTOCOL, event.member_id)
    if event.member_id:
        return join_again(step, event, waiter)
    if event.instance_id is not None:
        return join_as_instance(step, event, event.instance_id, waiter)
    if event.must_know_id:
        step.group = replace(group, pending=group.pending | {event.new_member_id})
        step.set_timer(TimerKind.SESSION, event.new_member_id, event.session_timeout_ms)
        return step.refuse(waiter, Refusal.MEMBER_ID_REQUIRED, event.new_member_id)
    return add(step, event, event.new_member_id, waiter)


def has_room(group: Group, member_id: str, size_max: int) -> bool:
    """Whether the group may take this member.

    While a group rebalances, those who wait are counted, not the members: so a group that is above
    a lowered limit sheds the members that come back last.
    """
    member = group.members.get(member_id)
    match group.state:
        case State.EMPTY | State.DEAD:
            return True
        case State.PREPARING_REBALANCE:
            if len(group.members) < size_max:
                return True
            is_waiting = member is not None and member.join_waiter is not None
            return is_waiting or group.joining_count < size_max
        case State.COMPLETING_REBALANCE | State.STABLE:
            return member is not None or len(group.members) < size_max


def add(step: Step, event: Join, member_id: str, waiter: Waiter) -> Decision:
    delay = step.group.initial_delay
    if delay is not None:
        step.group = replace(step.group, initial_delay=replace(delay, member_added=True))
    step.put(
        Member(
            member_id=member_id,
            instance_id=event.instance_id,
            client_id=event.client_id,
            client_host=event.client_host,
            session_timeout_ms=event.session_timeout_ms,
            rebalance_timeout_ms=event.rebalance_timeout_ms,
            protocol_type=event.protocol_type,
            protocols=event.protocols,
            join_waiter=waiter,
            is_new=True,
        )
    )
    step.set_timer(TimerKind.SESSION, member_id, NEW_MEMBER_JOIN_TIMEOUT_MS)
    step.rebalance_or_complete_join()
    return step.decision()


def join_again(step: Step, event: Join, waiter: Waiter) -> Decision:
    """The client has a member id: pending, or of a member that the group knows already."""
    group = step.group
    member_id = event.member_id
    if member_id in group.pending:
        if event.instance_id is not None:
            # Static members are never pending; no well-behaved client gets here.
            return step.refuse(waiter, Refusal.UNKNOWN_SERVER_ERROR)
        return add(step, event, member_id, waiter)
    refusal = group.refusal_of(member_id, event.instance_id)
    if refusal is not None:
        return step.refuse(waiter, refusal, member_id)
    member = group.members[member_id]
    match group.state:
        case State.PREPARING_REBALANCE:
            needs_rebalance = True
        case State.COMPLETING_REBALANCE:
            # With the same metadata it just did not get the answer to its JoinGroup.
            needs_rebalance = member.protocols != event.protocols
        case State.STABLE:
            # The leader may ask for a rebalance although nothing changed in its own metadata:
            # a topic may have grown.
            needs_rebalance = group.leader == member_id or member.protocols != event.protocols
        case _:
            raise AssertionError((group.group_id, group.state, member_id))
    if not needs_rebalance:
        joined = step.joined(member_id)
        if group.state is State.STABLE:
            joined = replace(joined, members=())
        return step.reply(waiter, joined)
    update(step, member, event, waiter)
    step.rebalance_or_complete_join()
    return step.decision()


def update(step: Step, member: Member, event: Join, waiter: Waiter) -> None:
    """The member as it presents itself now, waiting to join."""
    if member.join_waiter is not None:
        # It asked before and asks again, on another connection: the first request was given up.
        # Kafka never answers it; we do, so that nothing waits for it.
        step.refuse(member.join_waiter, Refusal.REBALANCE_IN_PROGRESS, member.member_id)
    step.put(
        replace(
            member,
            protocols=event.protocols,
            session_timeout_ms=event.session_timeout_ms,
            rebalance_timeout_ms=event.rebalance_timeout_ms,
            join_waiter=waiter,
        )
    )


def join_as_instance(step: Step, event: Join, instance_id: str, waiter: Waiter) -> Decision:
    """A static member without a member id: a new instance, or one that was restarted."""
    group = step.group
    old_member_id = group.static_members.get(instance_id)
    if old_member_id is None:
        return add(step, event, event.new_member_id, waiter)
    old_leader = group.leader
    member = replace_static(step, instance_id, old_member_id, event)
    step.watch(member)
    update(step, member, event, waiter)
    match group.state:
        case State.STABLE:
            if step.group.selected_protocol() == group.protocol:
                return keep_assignment(step, event, waiter, old_leader=old_leader)
            step.prepare_rebalance()
        case State.COMPLETING_REBALANCE:
            # The leader may have been told the old member id, and would assign to that one.
            step.prepare_rebalance()
        case State.PREPARING_REBALANCE:
            step.complete_join_if_all_joined()
        case _:
            raise AssertionError((group.group_id, group.state, instance_id))
    return step.decision()


def replace_static(step: Step, instance_id: str, old_member_id: str, event: Join) -> Member:
    """Give the instance's place, with its assignment and leadership, to a new member id.

    Whoever still waits under the old id is a second process with the same instance id, and is told.
    """
    group = step.group
    old = group.members[old_member_id]
    for waiter in (old.join_waiter, old.sync_waiter):
        if waiter is not None:
            step.refuse(waiter, Refusal.FENCED_INSTANCE_ID, old_member_id)
    step.cancel_timer(TimerKind.SESSION, old_member_id)
    # The new process may run elsewhere, under another name.
    new = replace(
        old,
        member_id=event.new_member_id,
        client_id=event.client_id,
        client_host=event.client_host,
        join_waiter=None,
        sync_waiter=None,
        is_new=False,
    )
    members = [new if member is old else member for member in group.members.values()]
    step.group = replace(
        group,
        members={member.member_id: member for member in members},
        static_members={**group.static_members, instance_id: new.member_id},
        leader=new.member_id if group.leader == old_member_id else group.leader,
        unsynced=group.unsynced - {old_member_id},
    )
    return new


def keep_assignment(step: Step, event: Join, waiter: Waiter, *, old_leader: str | None) -> Decision:
    """The instance came back as it was: no rebalance, only its new member id is stored."""
    group = step.group
    member_id = event.new_member_id
    step.put(replace(group.members[member_id], join_waiter=None))
    step.record = step.group.record(
        {member.member_id: member.assignment for member in group.members.values()}
    )
    joined = step.joined(member_id)
    if event.can_skip_assignment:
        answer = replace(joined, skip_assignment=group.leader == member_id)
    else:
        # An old client that sees itself as the leader would assign anew, in the middle of a
        # generation. It is told of the leader that no longer exists.
        answer = replace(joined, members=(), leader=old_leader)
    return step.reply(waiter, answer)


def joining_time_is_up(group: Group, *, now_ms: int, settings: GroupSettings) -> Decision:
    """The JOIN timer: the next step of the initial delay, or the end of the joining."""
    step = Step(group, now_ms=now_ms, settings=settings)
    if group.state is not State.PREPARING_REBALANCE:
        return step.decision()
    delay = group.initial_delay
    if delay is not None and delay.member_added and delay.remaining_ms > 0:
        next_delay_ms = min(settings.initial_rebalance_delay_ms, delay.remaining_ms)
        remaining_ms = max(delay.remaining_ms - delay.delay_ms, 0)
        step.group = replace(
            group,
            initial_delay=replace(
                delay, delay_ms=next_delay_ms, remaining_ms=remaining_ms, member_added=False
            ),
        )
        step.set_timer(TimerKind.JOIN, "", next_delay_ms)
    else:
        step.complete_join()
    return step.decision()


__all__ = ["Join", "Joined", "join", "joining_time_is_up"]
