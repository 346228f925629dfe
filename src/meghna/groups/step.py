"""A decision in the making: the group as changed so far, and what is to be said and timed.

The steps that joining, syncing, leaving and expiring share: adding and removing members, preparing
a rebalance, completing a join. One `Step` lives inside one decision and is never kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from meghna.groups.decision import Answer, Decision, Joined, Refused, Reply, Timer, TimerKind
from meghna.groups.group import InitialDelay, topics_of
from meghna.groups.refusal import Refusal
from meghna.groups.state import COMES_FROM, State, can_rebalance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meghna.groups.decision import GroupRecord
    from meghna.groups.group import Group
    from meghna.groups.member import Member, Waiter
    from meghna.groups.settings import GroupSettings


class At(TypedDict):
    """What every decision is given besides the group and the event."""

    now_ms: int
    settings: GroupSettings


class Step:
    __slots__ = ("group", "now_ms", "record", "replies", "settings", "timers")

    def __init__(self, group: Group, *, now_ms: int, settings: GroupSettings) -> None:
        self.group = group
        self.now_ms = now_ms
        self.settings = settings
        self.replies: list[Reply] = []
        self.timers: list[Timer] = []
        self.record: GroupRecord | None = None

    def decision(self) -> Decision:
        return Decision(self.group, tuple(self.replies), tuple(self.timers), self.record)

    def reply(self, waiter: Waiter, answer: Answer) -> Decision:
        """Answer one request; the decision as it then stands, for the common case of an end."""
        self.replies.append(Reply(waiter, answer))
        return self.decision()

    def refuse(self, waiter: Waiter, refusal: Refusal, member_id: str = "") -> Decision:
        return self.reply(waiter, Refused(refusal, member_id))

    def move(self, state: State) -> None:
        assert self.group.state in COMES_FROM[state], (self.group.group_id, self.group.state, state)
        self.group = replace(self.group, state=state, state_since_ms=self.now_ms)

    def set_timer(self, kind: TimerKind, member_id: str, timeout_ms: int) -> None:
        self.timers.append(Timer(kind, member_id, timeout_ms))

    def cancel_timer(self, kind: TimerKind, member_id: str = "") -> None:
        self.timers.append(Timer(kind, member_id, None))

    def watch(self, member: Member) -> None:
        """The member was heard of: its session begins again."""
        self.set_timer(TimerKind.SESSION, member.member_id, member.session_timeout_ms)

    def put(self, member: Member) -> None:
        """Add a member, or replace the one with its member id where that one stands."""
        group = self.group
        static_members = group.static_members
        if member.instance_id is not None and (
            static_members.get(member.instance_id) != member.member_id
        ):
            assert member.instance_id not in static_members, member
            static_members = {**static_members, member.instance_id: member.member_id}
        self.group = replace(
            group,
            members={**group.members, member.member_id: member},
            static_members=static_members,
            protocol_type=group.protocol_type if group.members else member.protocol_type,
            leader=group.leader if group.leader is not None else member.member_id,
            pending=group.pending - {member.member_id},
        )

    def put_all(self, members: Mapping[str, Member]) -> None:
        assert members.keys() == self.group.members.keys(), self.group.group_id
        self.group = replace(self.group, members=members)

    def remove(self, member_id: str) -> None:
        """Forget a member or a pending member id. Whoever still waits for it must not wait forever:
        a client that is alive learns here that it must join anew."""
        group = self.group
        member = group.members.get(member_id)
        self.cancel_timer(TimerKind.SESSION, member_id)
        if member is None:
            self.group = replace(group, pending=group.pending - {member_id})
            return
        for waiter in (member.join_waiter, member.sync_waiter):
            if waiter is not None:
                self.refuse(waiter, Refusal.UNKNOWN_MEMBER_ID)
        members = {key: value for key, value in group.members.items() if key != member_id}
        static_members = group.static_members
        if member.instance_id is not None:
            static_members = {
                key: value for key, value in static_members.items() if key != member.instance_id
            }
        self.group = replace(
            group,
            members=members,
            static_members=static_members,
            leader=next(iter(members), None) if group.leader == member_id else group.leader,
            unsynced=group.unsynced - {member_id},
        )

    def rebalance_or_complete_join(self) -> None:
        """The membership changed: begin a rebalance, or see whether the one under way is done."""
        if can_rebalance(self.group.state):
            self.prepare_rebalance()
        else:
            self.complete_join_if_all_joined()

    def prepare_rebalance(self) -> None:
        if self.group.state is State.COMPLETING_REBALANCE:
            self.drop_assignments(Refusal.REBALANCE_IN_PROGRESS)
        self.cancel_timer(TimerKind.SYNC)
        is_initial = self.group.state is State.EMPTY
        self.move(State.PREPARING_REBALANCE)
        delay = None
        if is_initial:
            delay_ms = self.settings.initial_rebalance_delay_ms
            remaining_ms = max(self.group.rebalance_timeout_ms - delay_ms, 0)
            delay = InitialDelay(delay_ms, remaining_ms)
        self.group = replace(self.group, unsynced=frozenset(), initial_delay=delay)
        if delay is not None:
            self.set_timer(TimerKind.JOIN, "", delay.delay_ms)
        elif self.group.has_all_joined:
            self.complete_join()
        else:
            self.set_timer(TimerKind.JOIN, "", self.group.rebalance_timeout_ms)

    def complete_join_if_all_joined(self) -> None:
        """A first rebalance is never cut short: others may be on their way in."""
        group = self.group
        if (
            group.state is State.PREPARING_REBALANCE
            and group.initial_delay is None
            and group.has_all_joined
        ):
            self.complete_join()

    def complete_join(self) -> None:
        """End the joining: those who came are the next generation."""
        self.cancel_timer(TimerKind.JOIN)
        for member in list(self.group.members.values()):
            # A static member may be away for as long as its session lasts.
            if member.join_waiter is None and member.instance_id is None:
                self.remove(member.member_id)
        if not self.group.members:
            self.become_empty()
        elif self.elect_leader():
            self.begin_generation()
        else:
            # Only static members are left and none of them came. They are given the same time once
            # more; meanwhile their sessions end and remove them.
            self.set_timer(TimerKind.JOIN, "", self.group.rebalance_timeout_ms)

    def elect_leader(self) -> bool:
        """Make sure that the leader is one who joined; False where nobody did."""
        group = self.group
        assert group.leader is not None, group.group_id
        if group.members[group.leader].join_waiter is None:
            joined = (
                member.member_id
                for member in group.members.values()
                if member.join_waiter is not None
            )
            leader = next(joined, None)
            if leader is None:
                return False
            self.group = replace(group, leader=leader)
        return True

    def become_empty(self) -> None:
        self.group = replace(
            self.group,
            generation=self.group.generation + 1,
            protocol=None,
            initial_delay=None,
            topics=topics_of(self.group.protocol_type, None, {}),
        )
        self.move(State.EMPTY)
        self.record = self.group.record({})

    def begin_generation(self) -> None:
        group = self.group
        protocol = group.selected_protocol()
        self.group = replace(
            group,
            generation=group.generation + 1,
            protocol=protocol,
            topics=topics_of(group.protocol_type, protocol, group.members),
            initial_delay=None,
            unsynced=frozenset(group.members),
        )
        self.move(State.COMPLETING_REBALANCE)
        for member in group.members.values():
            if member.join_waiter is not None:
                self.reply(member.join_waiter, self.joined(member.member_id))
            self.watch(member)
        self.put_all(
            {
                key: replace(member, join_waiter=None, is_new=False)
                for key, member in group.members.items()
            }
        )
        self.set_timer(TimerKind.SYNC, "", self.group.rebalance_timeout_ms)

    def joined(self, member_id: str) -> Joined:
        """The current generation, as one of its members is told of it."""
        group = self.group
        return Joined(
            member_id=member_id,
            generation=group.generation,
            protocol_type=group.protocol_type,
            protocol=group.protocol,
            leader=group.leader,
            members=group.joined_members() if group.leader == member_id else (),
        )

    def drop_assignments(self, refusal: Refusal) -> None:
        """Nobody keeps an assignment of this generation; who waits for one is refused."""
        assert self.group.state is State.COMPLETING_REBALANCE, self.group.state
        for member in self.group.members.values():
            if member.sync_waiter is not None:
                self.refuse(member.sync_waiter, refusal)
                self.watch(member)
        self.put_all(
            {
                key: replace(member, assignment=b"", sync_waiter=None)
                for key, member in self.group.members.items()
            }
        )
