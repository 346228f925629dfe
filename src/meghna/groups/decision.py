"""What a decision consists of: the values that leave the state machine.

A decision is made of a group and an event at a given time. It changes nothing itself. The shell

1. makes `group` the current one (the part of a group that a restart may forget: who waits, who is
   on the way in, which rebalance is under way),
2. sets `timers`,
3. appends `record`, if there is one, and waits until it is durable,
4. sends `replies`, after `stored` or `store_failed` has been decided for the record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meghna.groups.group import Group
    from meghna.groups.member import Waiter
    from meghna.groups.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRecord:
    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecord:
    """A durable fact: the group when its leader had assigned, or when its last member had left."""

    group_id: str
    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    state_since_ms: int
    members: tuple[MemberRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class JoinedMember:
    """What the leader is told of a member."""

    member_id: str
    instance_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    member_id: str
    generation: int
    protocol_type: str | None
    protocol: str | None
    leader: str | None
    members: tuple[JoinedMember, ...] = ()
    skip_assignment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    protocol_type: str | None
    protocol: str | None
    assignment: bytes


@dataclass(frozen=True, slots=True)
class Alive:
    """A heartbeat was good."""


@dataclass(frozen=True, slots=True)
class LeftMember:
    member_id: str
    instance_id: str | None
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class Left:
    members: tuple[LeftMember, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    refusal: Refusal
    member_id: str = ""


Answer = Joined | Synced | Alive | Left | Refused


@dataclass(frozen=True, slots=True)
class Reply:
    waiter: Waiter
    answer: Answer


class TimerKind(Enum):
    SESSION = "session"
    """A member has not been heard of for its session timeout."""
    JOIN = "join"
    """The time to join is up, or the initial delay's next step is due."""
    SYNC = "sync"
    """The time in which every member must have asked for its assignment is up."""


@dataclass(frozen=True, slots=True)
class Timer:
    """Set to ring after a time, or taken away (None). A new one of the same kind and member
    replaces it."""

    kind: TimerKind
    member_id: str
    timeout_ms: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    group: Group
    replies: tuple[Reply, ...] = field(default=())
    timers: tuple[Timer, ...] = field(default=())
    record: GroupRecord | None = None
