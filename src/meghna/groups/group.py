"""A group of the classic protocol as a value, and what can be read off it.

A `Group` never changes: the functions of `joining`, `syncing` and `leaving` make decisions that
carry the next one. Two parts with different lives are in it:

* durable: generation, protocol, leader, members with their assignments, as `GroupRecord` has them.
  `Group.restored` of the last record is the group that was running, so consumers go on after a
  restart of the broker as if nothing had happened;
* soft: who waits for an answer, who was given a member id and has not come back with it, which
  rebalance is under way. A restart forgets it and clients ask again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meghna.groups.decision import GroupRecord, JoinedMember, MemberRecord
from meghna.groups.member import GroupProtocol, Member
from meghna.groups.refusal import Refusal
from meghna.groups.state import State
from meghna.groups.subscription import subscribed_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

CONSUMER = "consumer"
"""The protocol type of consumers, whose subscriptions the coordinator can read."""


@dataclass(frozen=True, slots=True)
class InitialDelay:
    """A first rebalance waits a little for more members, again and again while new ones come."""

    delay_ms: int
    remaining_ms: int
    member_added: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    group_id: str
    state: State = State.EMPTY
    state_since_ms: int = -1
    generation: int = 0
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str | None = None
    members: Mapping[str, Member] = field(default_factory=dict)
    """By member id, in the order of joining."""
    static_members: Mapping[str, str] = field(default_factory=dict)
    """Member id by instance id."""
    pending: frozenset[str] = frozenset()
    """Member ids given out by MEMBER_ID_REQUIRED that did not come back yet."""
    unsynced: frozenset[str] = frozenset()
    """Members that did not ask for their assignment in this generation yet."""
    initial_delay: InitialDelay | None = None
    """Present while the rebalance under way is the first after the group was empty."""
    topics: frozenset[str] | None = None
    """What the members subscribed to; None where the coordinator cannot tell."""

    def __post_init__(self) -> None:
        if self.state is State.STABLE:
            assert self.protocol is not None, self
        if self.leader is not None:
            assert self.leader in self.members, self
        assert not any(member_id in self.members for member_id in self.pending), self

    @classmethod
    def restored(cls, record: GroupRecord) -> Group:
        """The group that `record` describes; nobody waits in it."""
        members = {
            member.member_id: Member(
                member_id=member.member_id,
                instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                session_timeout_ms=member.session_timeout_ms,
                # Records older than this field carry -1 for it.
                rebalance_timeout_ms=member.rebalance_timeout_ms
                if member.rebalance_timeout_ms >= 0
                else member.session_timeout_ms,
                protocol_type=record.protocol_type,
                protocols=(GroupProtocol(record.protocol or "", member.subscription),),
                assignment=member.assignment,
            )
            for member in record.members
        }
        return cls(
            group_id=record.group_id,
            state=State.STABLE if members else State.EMPTY,
            state_since_ms=record.state_since_ms,
            generation=record.generation,
            protocol_type=record.protocol_type or None,
            protocol=(record.protocol or "") if members else record.protocol,
            leader=record.leader if record.leader in members else next(iter(members), None),
            members=members,
            static_members={
                member.instance_id: member.member_id
                for member in members.values()
                if member.instance_id is not None
            },
            topics=topics_of(record.protocol_type or None, record.protocol, members),
        )

    def record(self, assignments: Mapping[str, bytes]) -> GroupRecord:
        """The durable part, with the assignments that are about to hold."""
        return GroupRecord(
            group_id=self.group_id,
            protocol_type=self.protocol_type or "",
            generation=self.generation,
            protocol=self.protocol,
            leader=self.leader,
            state_since_ms=self.state_since_ms,
            members=tuple(
                MemberRecord(
                    member_id=member.member_id,
                    instance_id=member.instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    rebalance_timeout_ms=member.rebalance_timeout_ms,
                    session_timeout_ms=member.session_timeout_ms,
                    subscription=member.metadata(self.protocol),
                    assignment=assignments.get(member.member_id, b""),
                )
                for member in self.members.values()
            ),
        )

    @property
    def rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    @property
    def joining_count(self) -> int:
        return sum(member.join_waiter is not None for member in self.members.values())

    @property
    def has_all_joined(self) -> bool:
        return not self.pending and all(
            member.join_waiter is not None for member in self.members.values()
        )

    @property
    def is_in_use(self) -> bool:
        return bool(self.members or self.pending)

    def joined_members(self) -> tuple[JoinedMember, ...]:
        """What the leader needs to assign."""
        return tuple(
            JoinedMember(member.member_id, member.instance_id, member.metadata(self.protocol))
            for member in self.members.values()
        )

    def supports(self, protocol_type: str, protocols: tuple[GroupProtocol, ...]) -> bool:
        """Whether a member with these protocols can be part of the group."""
        if self.state is State.EMPTY:
            return bool(protocol_type) and bool(protocols)
        return self.protocol_type == protocol_type and any(
            all(member.supports(protocol.name) for member in self.members.values())
            for protocol in protocols
        )

    def selected_protocol(self) -> str:
        """The protocol with the most votes among those that every member supports."""
        assert self.members, self.group_id
        members = list(self.members.values())
        candidates = frozenset(
            protocol.name
            for protocol in members[0].protocols
            if all(member.supports(protocol.name) for member in members)
        )
        votes: dict[str, int] = {}
        for member in members:
            protocol = member.vote(candidates)
            votes[protocol] = votes.get(protocol, 0) + 1
        return max(votes, key=lambda name: votes[name])

    def refusal_of(self, member_id: str, instance_id: str | None) -> Refusal | None:
        """Why this is not a member of the group, or None if it is."""
        if instance_id is not None:
            current = self.static_members.get(instance_id)
            if current is None:
                return Refusal.UNKNOWN_MEMBER_ID
            if current != member_id:
                return Refusal.FENCED_INSTANCE_ID
        return None if member_id in self.members else Refusal.UNKNOWN_MEMBER_ID

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member may be reading `topic`; so it is assumed where nobody can tell."""
        if self.topics is None:
            return self.protocol_type == CONSUMER
        return topic in self.topics


def topics_of(
    protocol_type: str | None, protocol: str | None, members: Mapping[str, Member]
) -> frozenset[str] | None:
    if protocol_type != CONSUMER:
        return None
    if not members:
        return frozenset()
    topics: frozenset[str] = frozenset()
    for member in members.values():
        subscribed = subscribed_topics(member.metadata(protocol))
        if subscribed is None:
            return None
        topics |= subscribed
    return topics
