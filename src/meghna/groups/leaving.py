"""LeaveGroup, and the ways in which members go without saying so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meghna.groups.decision import Decision, Left, LeftMember
from meghna.groups.refusal import Refusal
from meghna.groups.state import State, can_rebalance
from meghna.groups.step import Step

if TYPE_CHECKING:
    from meghna.groups.group import Group
    from meghna.groups.member import Waiter
    from meghna.groups.settings import GroupSettings


@dataclass(frozen=True, slots=True)
class Leaving:
    """A member that leaves, or whom an administrator removes by its instance id alone."""

    member_id: str
    instance_id: str | None


def leave(
    group: Group,
    members: tuple[Leaving, ...],
    waiter: Waiter,
    *,
    now_ms: int,
    settings: GroupSettings,
) -> Decision:
    step = Step(group, now_ms=now_ms, settings=settings)
    if group.state is State.DEAD:
        return step.refuse(waiter, Refusal.COORDINATOR_NOT_AVAILABLE)
    left = []
    for leaving in members:
        refusal = remove_leaving(step, leaving)
        left.append(LeftMember(leaving.member_id, leaving.instance_id, refusal))
    if any(member.refusal is None for member in left):
        if can_rebalance(step.group.state) and step.group.state is not State.EMPTY:
            step.prepare_rebalance()
        else:
            step.complete_join_if_all_joined()
    return step.reply(waiter, Left(tuple(left)))


def remove_leaving(step: Step, leaving: Leaving) -> Refusal | None:
    group = step.group
    member_id = leaving.member_id
    if not member_id:
        known = group.static_members.get(leaving.instance_id or "")
        if leaving.instance_id is None or known is None:
            return Refusal.UNKNOWN_MEMBER_ID
        member_id = known
    elif member_id not in group.pending:
        refusal = group.refusal_of(member_id, leaving.instance_id)
        if refusal is not None:
            return refusal
    step.remove(member_id)
    return None


def session_ended(
    group: Group, member_id: str, *, now_ms: int, settings: GroupSettings
) -> Decision:
    """The SESSION timer: the member was not heard of in time."""
    step = Step(group, now_ms=now_ms, settings=settings)
    member = group.members.get(member_id)
    if member is None and member_id not in group.pending:
        return step.decision()
    if member is not None and member.is_excused:
        # Its session begins again when it gets its answer.
        return step.decision()
    step.remove(member_id)
    state = step.group.state
    if state is State.PREPARING_REBALANCE:
        # Unlike a member that comes, one that goes ends even a first rebalance: without that, a
        # group whose last pending member is gone would wait for nobody.
        if step.group.has_all_joined:
            step.complete_join()
    elif state is not State.EMPTY and member is not None:
        step.prepare_rebalance()
    return step.decision()


def syncing_time_is_up(group: Group, *, now_ms: int, settings: GroupSettings) -> Decision:
    """The SYNC timer: whoever did not ask for its assignment by now is gone."""
    step = Step(group, now_ms=now_ms, settings=settings)
    is_waiting = group.state in (State.COMPLETING_REBALANCE, State.STABLE)
    if is_waiting and group.unsynced:
        for member_id in group.unsynced:
            step.remove(member_id)
        step.prepare_rebalance()
    return step.decision()


def resume(group: Group, *, now_ms: int, settings: GroupSettings) -> Decision:
    """The group was read back from its log: watch its members, and shed those above a new limit."""
    step = Step(group, now_ms=now_ms, settings=settings)
    for member in group.members.values():
        step.watch(member)
    if len(group.members) > settings.size_max:
        step.prepare_rebalance()
    return step.decision()


def bury(group: Group, refusal: Refusal, *, now_ms: int, settings: GroupSettings) -> Decision:
    """The group is being deleted, or its partition unloaded: nobody waits in it any longer."""
    step = Step(group, now_ms=now_ms, settings=settings)
    members = {}
    for key, member in group.members.items():
        for waiter in (member.join_waiter, member.sync_waiter):
            if waiter is not None:
                step.refuse(waiter, refusal, member.member_id)
        members[key] = replace(member, join_waiter=None, sync_waiter=None)
    step.put_all(members)
    step.move(State.DEAD)
    return step.decision()
