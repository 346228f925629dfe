"""A group with its clients, its clock, its timers and its disk, all in the hands of a test.

Records stay on their way to the disk until `settle` or `fail`; timers ring in `wait`, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.groups import joining, leaving, syncing
from meghna.groups.decision import Joined, Refused, Reply, Synced, TimerKind
from meghna.groups.group import Group
from meghna.groups.member import GroupProtocol
from meghna.groups.refusal import Refusal
from meghna.groups.settings import GroupSettings
from meghna.groups.step import At

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meghna.groups.decision import Answer, Decision, GroupRecord
    from meghna.groups.state import State

SETTINGS = GroupSettings(
    initial_rebalance_delay_ms=3_000,
    size_max=1_000,
    session_timeout_min_ms=100,
    session_timeout_max_ms=1_800_000,
    metadata_size_max=4_096,
    retention_ms=7 * 24 * 3_600_000,
    retention_check_interval_ms=600_000,
)
SESSION_MS = 10_000
REBALANCE_MS = 60_000


def subscription(*topics: str) -> bytes:
    """A consumer's metadata, version 0."""
    texts = [topic.encode() for topic in topics]
    names = b"".join(len(text).to_bytes(2, "big") + text for text in texts)
    return b"\0\0" + len(topics).to_bytes(4, "big") + names + b"\xff\xff\xff\xff"


def protocols(*names: str) -> tuple[GroupProtocol, ...]:
    return tuple(GroupProtocol(name, subscription("t")) for name in names)


class Scenario:
    def __init__(self, settings: GroupSettings = SETTINGS, group: Group | None = None) -> None:
        self.settings = settings
        self.now_ms = 1_000_000
        self.group = group or Group(group_id="g")
        self.answers: dict[int, Answer] = {}
        self.deadlines: dict[tuple[TimerKind, str], int] = {}
        self.under_way: list[tuple[GroupRecord, tuple[Reply, ...]]] = []
        self.log: list[GroupRecord] = []
        self._waiters = 0

    # What a test looks at.

    def state(self) -> State:
        return self.group.state

    def joined(self, waiter: int) -> Joined:
        answer = self.answers[waiter]
        assert isinstance(answer, Joined), answer
        return answer

    def synced(self, waiter: int) -> Synced:
        answer = self.answers[waiter]
        assert isinstance(answer, Synced), answer
        return answer

    def refusal(self, waiter: int) -> Refusal:
        answer = self.answers[waiter]
        assert isinstance(answer, Refused), answer
        return answer.refusal

    def waits(self, waiter: int) -> bool:
        return waiter not in self.answers

    # What clients do.

    def waiter(self) -> int:
        self._waiters += 1
        return self._waiters

    def join(
        self,
        member_id: str = "",
        *,
        instance_id: str | None = None,
        names: tuple[str, ...] = ("range",),
        protocol_type: str = "consumer",
        new_member_id: str | None = None,
        session_timeout_ms: int = SESSION_MS,
        rebalance_timeout_ms: int = REBALANCE_MS,
        must_know_id: bool = True,
        can_skip_assignment: bool = True,
        client_id: str = "client",
    ) -> int:
        waiter = self.waiter()
        event = joining.Join(
            member_id=member_id,
            instance_id=instance_id,
            client_id=client_id,
            client_host="/127.0.0.1",
            session_timeout_ms=session_timeout_ms,
            rebalance_timeout_ms=rebalance_timeout_ms,
            protocol_type=protocol_type,
            protocols=protocols(*names),
            new_member_id=new_member_id or f"member-{waiter}",
            must_know_id=must_know_id,
            can_skip_assignment=can_skip_assignment,
        )
        self.do(joining.join(self.group, event, waiter, **self.at()))
        return waiter

    def sync(
        self,
        member_id: str,
        assignments: Mapping[str, bytes] | None = None,
        *,
        instance_id: str | None = None,
        generation: int | None = None,
        protocol: str | None = None,
        protocol_type: str | None = None,
    ) -> int:
        waiter = self.waiter()
        event = syncing.Sync(
            member_id=member_id,
            instance_id=instance_id,
            generation=self.group.generation if generation is None else generation,
            protocol_type=protocol_type,
            protocol=protocol,
            assignments=assignments or {},
        )
        self.do(syncing.sync(self.group, event, waiter, **self.at()))
        return waiter

    def heartbeat(
        self, member_id: str, *, generation: int | None = None, instance_id: str | None = None
    ) -> Answer:
        event = syncing.Heartbeat(
            member_id=member_id,
            instance_id=instance_id,
            generation=self.group.generation if generation is None else generation,
        )
        decision = syncing.heartbeat(self.group, event, self.waiter())
        assert decision.group is self.group
        self.do(decision)
        return decision.replies[0].answer

    def leave(self, *members: str | leaving.Leaving) -> int:
        waiter = self.waiter()
        going = tuple(
            leaving.Leaving(member, None) if isinstance(member, str) else member
            for member in members
        )
        self.do(leaving.leave(self.group, going, waiter, **self.at()))
        return waiter

    # What happens to them.

    def settle(self) -> None:
        """Everything that is on its way arrives on the disk."""
        while self.under_way:
            record, replies = self.under_way.pop(0)
            self.log.append(record)
            self.do(syncing.stored(self.group, record, **self.at()))
            self.send(replies)

    def fail(self) -> None:
        """The oldest record on its way cannot be stored."""
        record, replies = self.under_way.pop(0)
        self.do(syncing.store_failed(self.group, record, **self.at()))
        refused = Refused(Refusal.COORDINATOR_NOT_AVAILABLE)
        self.send(tuple(Reply(reply.waiter, refused) for reply in replies))

    def wait(self, time_ms: int) -> None:
        """Let time pass; timers ring when they are due."""
        until_ms = self.now_ms + time_ms
        while self.deadlines:
            key = min(self.deadlines, key=lambda each: self.deadlines[each])
            if self.deadlines[key] > until_ms:
                break
            self.now_ms = self.deadlines.pop(key)
            self.ring(*key)
        self.now_ms = until_ms

    def ring(self, kind: TimerKind, member_id: str) -> None:
        match kind:
            case TimerKind.SESSION:
                self.do(leaving.session_ended(self.group, member_id, **self.at()))
            case TimerKind.JOIN:
                self.do(joining.joining_time_is_up(self.group, **self.at()))
            case TimerKind.SYNC:
                self.do(leaving.syncing_time_is_up(self.group, **self.at()))

    def at(self) -> At:
        return At(now_ms=self.now_ms, settings=self.settings)

    def do(self, decision: Decision) -> None:
        """Apply a decision as the shell does."""
        self.group = decision.group
        for timer in decision.timers:
            key = (timer.kind, timer.member_id)
            self.deadlines.pop(key, None)
            if timer.timeout_ms is not None:
                self.deadlines[key] = self.now_ms + timer.timeout_ms
        if decision.record is None:
            self.send(decision.replies)
        else:
            self.under_way.append((decision.record, decision.replies))

    def send(self, replies: tuple[Reply, ...]) -> None:
        for reply in replies:
            assert reply.waiter not in self.answers, "answered twice"
            self.answers[reply.waiter] = reply.answer

    # The usual ways.

    def known_member(self, **options: str) -> str:
        """The first round of a join: a member id."""
        answer = self.answers[self.join(**options)]  # type: ignore[arg-type]
        assert isinstance(answer, Refused), answer
        return answer.member_id

    def stable_group(self, count: int = 1) -> list[str]:
        """Members of a stable group, the leader first."""
        members = [self.known_member() for _ in range(count)]
        waiters = [self.join(member) for member in members]
        self.wait(self.settings.initial_rebalance_delay_ms * 3)
        leader = self.joined(waiters[0]).leader
        assert leader is not None
        assignments = {member: f"for {member}".encode() for member in members}
        syncs = [self.sync(member, assignments if member == leader else {}) for member in members]
        self.settle()
        for member, waiter in zip(members, syncs, strict=True):
            assert self.synced(waiter).assignment == assignments[member]
        members.sort(key=lambda member: member != leader)
        return members
