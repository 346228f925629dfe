"""The group coordinator: the shell around the decisions of this folder.

It looks up the group, asks for a decision, applies it, appends what must become durable, waits,
and answers (`decision.py` has the steps). Everything runs on one event loop and no decision waits,
so a group sees one event at a time. While a record is on its way to the disk the group goes on
deciding; what it decided for the record takes effect when the record has arrived.

Timers run on the monotonic clock, records are stamped by the other one.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meghna.errors import Error
from meghna.groups import joining, leaving, offsets, syncing
from meghna.groups.decision import Answer, Joined, Left, Refused, Reply, Synced, TimerKind
from meghna.groups.description import described
from meghna.groups.group import Group
from meghna.groups.journal import Journal
from meghna.groups.offsets import NO_TOPIC_ID, OffsetRecord
from meghna.groups.partition import GroupPartition, partition_of
from meghna.groups.record_format import decode, encode_deleted_group, encode_group, encode_offset
from meghna.groups.refusal import Refusal
from meghna.groups.state import State
from meghna.groups.step import At
from meghna.groups.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from meghna.clock import Clock
    from meghna.groups.decision import Decision, GroupRecord
    from meghna.groups.description import DescribedGroup
    from meghna.groups.journal import LogRecord, OffsetsLog, Settled
    from meghna.groups.offsets import CommittedOffset
    from meghna.groups.settings import GroupSettings

log = logging.getLogger(__name__)

OFFSETS_TOPIC = "__consumer_offsets"


@dataclass(frozen=True, slots=True)
class TimerKey:
    """One timer of one group."""

    kind: TimerKind
    group_id: str
    member_id: str


@dataclass(frozen=True, slots=True)
class CheckRetention:
    """The timer key of the next look at expired offsets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPartition:
    topic: str
    topic_id: bytes
    partition: int


class GroupCoordinator:
    """All groups of the broker. Belongs to one event loop; `start` and `load` come first."""

    __slots__ = (
        "_clock",
        "_journals",
        "_loading",
        "_log",
        "_partition_count",
        "_partitions",
        "_rings",
        "_settings",
        "_tasks",
        "_timers",
        "_waiter_count",
        "_waiters",
    )

    def __init__(
        self, log: OffsetsLog, *, settings: GroupSettings, partition_count: int, clock: Clock
    ) -> None:
        self._log = log
        self._settings = settings
        self._partition_count = partition_count
        self._clock = clock
        self._partitions: dict[int, GroupPartition] = {}
        self._journals: dict[int, Journal] = {}
        self._loading: set[int] = set()
        self._timers: Timers[TimerKey | CheckRetention] = Timers()
        self._waiters: dict[int, asyncio.Future[Answer]] = {}
        self._waiter_count = 0
        self._rings = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None

    # Life.

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to work in `tasks`: its end is the coordinator's."""
        self._tasks = tasks
        self._set_timer(CheckRetention(), self._settings.retention_check_interval_ms)

    async def run_timers(self) -> None:
        """Let timers ring until cancelled; one task of the owner runs this."""
        while True:
            self.ring_due()
            next_ms = self._timers.next_ms()
            timeout = None
            if next_ms is not None:
                timeout = max(next_ms - self._clock.monotonic_ms(), 0) / 1000
            try:
                async with asyncio.timeout(timeout):
                    await self._rings.wait()
            except TimeoutError:
                continue
            self._rings.clear()

    async def load(self, partitions: Iterable[int], *, partition_count: int | None = None) -> None:
        """Read partitions of `__consumer_offsets` back; requests for their groups are served then.
        `partition_count` is how many the topic has, should that be other than was thought.

        A partition whose log cannot be read is not served, and the reason is logged.
        """
        if partition_count is not None:
            self._partition_count = partition_count
        known = self._partitions.keys() | self._loading
        indexes = [index for index in partitions if index not in known]
        self._loading.update(indexes)
        try:
            for index in indexes:
                try:
                    await self._load(index)
                except Error as error:
                    log.error("Groups of %s-%d cannot be served: %s", OFFSETS_TOPIC, index, error)
                self._loading.discard(index)
        finally:
            self._loading.difference_update(indexes)

    async def _load(self, index: int) -> None:
        assert self._tasks is not None, "start comes first"
        partition = GroupPartition(index)
        batches = self._log.read(index)
        loop = asyncio.get_running_loop()
        while (batch := await loop.run_in_executor(None, next, batches, None)) is not None:
            for record in batch:
                fact = decode(record.key, record.value)
                if fact is not None:
                    partition.replay(fact)
        self._partitions[index] = partition
        self._journals[index] = Journal(self._log, index, self._tasks)
        for group in list(partition.groups.values()):
            self._apply(partition, leaving.resume(group, **self._at()))

    def unload(self, partitions: Iterable[int]) -> None:
        """Give partitions up (offline, or the broker stops): whoever waits is told to look for the
        coordinator again."""
        for index in partitions:
            partition = self._partitions.pop(index, None)
            if partition is None:
                continue
            for group in partition.groups.values():
                if group.state is not State.DEAD:
                    decision = leaving.bury(group, Refusal.NOT_COORDINATOR, **self._at())
                    self._send(decision.replies)

    def stop(self) -> None:
        """Answer everybody who waits. Appends under way are finished by their tasks."""
        self.unload(list(self._partitions))
        self._tasks = None

    def partition_for(self, group_id: str) -> int:
        """The partition of `__consumer_offsets` that a group lives in."""
        return partition_of(group_id, self._partition_count)

    # Membership.

    async def join(self, group_id: str, event: joining.Join) -> Joined | Refused:
        """Join, which may wait for as long as a rebalance lasts."""
        if not group_id:
            return Refused(Refusal.INVALID_GROUP_ID, event.member_id)
        settings = self._settings
        timeout_ms = event.session_timeout_ms
        if not settings.session_timeout_min_ms <= timeout_ms <= settings.session_timeout_max_ms:
            return Refused(Refusal.INVALID_SESSION_TIMEOUT, event.member_id)
        partition = self._partition(group_id)
        if isinstance(partition, Refusal):
            return Refused(partition, event.member_id)
        group = partition.groups.get(group_id)
        if group is None:
            if event.member_id:
                return Refused(Refusal.UNKNOWN_MEMBER_ID, event.member_id)
            group = Group(group_id=group_id, state_since_ms=self._clock.now_ms())
        waiter, answered = self._wait()
        self._apply(partition, joining.join(group, event, waiter, **self._at()))
        answer = await answered
        assert isinstance(answer, Joined | Refused), answer
        return answer

    async def sync(self, group_id: str, event: syncing.Sync) -> Synced | Refused:
        """Give or get the assignments, which may wait for the leader and for the disk."""
        found = self._group(group_id, missing=Refusal.UNKNOWN_MEMBER_ID)
        if isinstance(found, Refusal):
            return Refused(found)
        partition, group = found
        waiter, answered = self._wait()
        self._apply(partition, syncing.sync(group, event, waiter, **self._at()))
        answer = await answered
        assert isinstance(answer, Synced | Refused), answer
        return answer

    def heartbeat(self, group_id: str, event: syncing.Heartbeat) -> Refusal | None:
        """Keep a member alive; None where all is well."""
        found = self._group(group_id, missing=Refusal.UNKNOWN_MEMBER_ID)
        if isinstance(found, Refusal):
            # While the groups are read back nobody is dead.
            return None if found is Refusal.COORDINATOR_LOAD_IN_PROGRESS else found
        partition, group = found
        decision = syncing.heartbeat(group, event, waiter=0)
        self._set_timers(partition, decision)
        answer = decision.replies[0].answer
        return answer.refusal if isinstance(answer, Refused) else None

    async def leave(self, group_id: str, members: tuple[leaving.Leaving, ...]) -> Left | Refused:
        """Take members out; waits for the disk where the group became empty."""
        found = self._group(group_id, missing=Refusal.UNKNOWN_MEMBER_ID)
        if isinstance(found, Refusal):
            return Refused(found)
        partition, group = found
        waiter, answered = self._wait()
        self._apply(partition, leaving.leave(group, members, waiter, **self._at()))
        answer = await answered
        assert isinstance(answer, Left | Refused), answer
        return answer

    # Offsets.

    async def commit_offsets(
        self, group_id: str, event: offsets.Commit
    ) -> tuple[Refusal | None, ...] | Refusal:
        """Store offsets; one result for each partition asked for, once they are durable."""
        partition = self._partition(group_id)
        if isinstance(partition, Refusal):
            return partition
        now_ms = self._clock.now_ms()
        decision = offsets.commit(
            partition.groups.get(group_id),
            group_id,
            event,
            now_ms=now_ms,
            metadata_size_max=self._settings.metadata_size_max,
        )
        if isinstance(decision, Refusal):
            return decision
        if decision.keeps_session:
            member = partition.groups[group_id].members[event.member_id]
            key = TimerKey(TimerKind.SESSION, group_id, member.member_id)
            self._set_timer(key, member.session_timeout_ms)
        if decision.records:
            error = await self._store_offsets(partition, decision.records)
            if error is not None:
                return Refusal.COORDINATOR_NOT_AVAILABLE
        return decision.refusals

    async def fetch_offsets(
        self,
        group_id: str,
        wanted: Sequence[FetchPartition] | None,
        *,
        require_stable: bool,
    ) -> dict[tuple[str, int], CommittedOffset] | Refusal:
        """What the group committed for `wanted`, or all of it for None; no entry where nothing.

        With `require_stable`, commits that are on their way to the disk are waited for.
        """
        partition = self._partition(group_id)
        if isinstance(partition, Refusal):
            return partition
        if require_stable and partition.unsettled[group_id]:
            await self._barrier(partition)
        known = partition.offsets.get(group_id, {})
        if wanted is None:
            return dict(known)
        found = {}
        for each in wanted:
            committed = known.get((each.topic, each.partition))
            # A topic that was deleted and made again is another topic.
            if committed is not None and is_same_topic(committed.topic_id, each.topic_id):
                found[each.topic, each.partition] = committed
        return found

    async def delete_offsets(
        self, group_id: str, partitions: Sequence[tuple[str, int]]
    ) -> tuple[Refusal | None, ...] | Refusal:
        """Forget offsets; one result for each partition asked for, once that is durable."""
        if not group_id:
            return Refusal.INVALID_GROUP_ID
        partition = self._partition(group_id)
        if isinstance(partition, Refusal):
            return partition
        group = partition.groups.get(group_id)
        refusal = offsets.delete_refusal(group)
        if refusal is not None:
            return refusal
        assert group is not None
        results: list[Refusal | None] = []
        records = []
        for topic, index in partitions:
            if group.is_subscribed_to(topic):
                results.append(Refusal.GROUP_SUBSCRIBED_TO_TOPIC)
                continue
            results.append(None)
            is_known = (topic, index) in partition.offsets.get(group_id, {})
            # A commit under way comes before this in the log, and is forgotten too.
            if is_known or partition.unsettled[group_id]:
                records.append(OffsetRecord(group_id, topic, index, None))
        if records:
            error = await self._store_offsets(partition, records)
            if error is not None:
                return Refusal.COORDINATOR_NOT_AVAILABLE
        return tuple(results)

    async def forget_topics(self, topic_ids: Mapping[str, bytes]) -> None:
        """Topics were deleted: so are the offsets that were committed for them, and not those of
        topics that were made under their names since."""
        for partition in list(self._partitions.values()):
            records = [
                OffsetRecord(group_id, topic, index, None)
                for group_id, known in partition.offsets.items()
                for (topic, index), committed in known.items()
                if topic in topic_ids and is_same_topic(committed.topic_id, topic_ids[topic])
            ]
            if records:
                await self._store_offsets(partition, records)

    # Groups as a whole.

    def list_groups(self) -> list[Group]:
        return [
            group
            for partition in self._partitions.values()
            for group in partition.groups.values()
            if group.state is not State.DEAD
        ]

    def describe(self, group_id: str) -> DescribedGroup | Refusal:
        """A group as tools show it; GROUP_ID_NOT_FOUND where there is none."""
        partition = self._partition(group_id)
        if isinstance(partition, Refusal):
            return partition
        group = partition.groups.get(group_id)
        if group is None or group.state is State.DEAD:
            return Refusal.GROUP_ID_NOT_FOUND
        return described(group)

    async def delete_group(self, group_id: str) -> Refusal | None:
        """Delete an empty group with its offsets; None once that is durable."""
        partition = self._partition(group_id)
        if isinstance(partition, Refusal):
            return partition
        group = partition.groups.get(group_id)
        if group is None or group.state is State.DEAD:
            return Refusal.GROUP_ID_NOT_FOUND
        if group.state is not State.EMPTY:
            return Refusal.NON_EMPTY_GROUP
        return await self._bury(partition, group)

    # Timers.

    def ring_due(self) -> None:
        """Act on every timer whose time has come."""
        for key in self._timers.due(self._clock.monotonic_ms()):
            if isinstance(key, CheckRetention):
                self._check_retention()
                self._set_timer(key, self._settings.retention_check_interval_ms)
                continue
            found = self._group(key.group_id, missing=Refusal.GROUP_ID_NOT_FOUND)
            if isinstance(found, Refusal):
                continue
            partition, group = found
            match key.kind:
                case TimerKind.SESSION:
                    decision = leaving.session_ended(group, key.member_id, **self._at())
                case TimerKind.JOIN:
                    decision = joining.joining_time_is_up(group, **self._at())
                case TimerKind.SYNC:
                    decision = leaving.syncing_time_is_up(group, **self._at())
            self._apply(partition, decision)

    def _check_retention(self) -> None:
        now_ms = self._clock.now_ms()
        for partition in self._partitions.values():
            for group in list(partition.groups.values()):
                # Whoever commits right now is not expired.
                if group.state is not State.DEAD and not partition.unsettled[group.group_id]:
                    self._expire(partition, group, now_ms)

    def _expire(self, partition: GroupPartition, group: Group, now_ms: int) -> None:
        known = partition.offsets.get(group.group_id, {})
        records = offsets.expired(
            group, known, now_ms=now_ms, retention_ms=self._settings.retention_ms
        )
        is_unused = group.state is State.EMPTY and not group.is_in_use
        if len(records) == len(known) and is_unused:
            self._bury(partition, group)
        elif records:
            self._store_offsets(partition, records)

    # How a decision takes effect.

    def _at(self) -> At:
        return At(now_ms=self._clock.now_ms(), settings=self._settings)

    def _partition(self, group_id: str) -> GroupPartition | Refusal:
        index = self.partition_for(group_id)
        partition = self._partitions.get(index)
        if partition is not None:
            return partition
        if index in self._loading:
            return Refusal.COORDINATOR_LOAD_IN_PROGRESS
        return Refusal.NOT_COORDINATOR

    def _serves(self, partition: GroupPartition) -> bool:
        return self._partitions.get(partition.index) is partition

    def _group(self, group_id: str, *, missing: Refusal) -> tuple[GroupPartition, Group] | Refusal:
        if not group_id:
            return Refusal.INVALID_GROUP_ID
        partition = self._partition(group_id)
        if isinstance(partition, Refusal):
            return partition
        group = partition.groups.get(group_id)
        return missing if group is None else (partition, group)

    def _wait(self) -> tuple[int, asyncio.Future[Answer]]:
        self._waiter_count += 1
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiters[self._waiter_count] = answered
        return self._waiter_count, answered

    def _apply(self, partition: GroupPartition, decision: Decision) -> None:
        group = decision.group
        partition.groups[group.group_id] = group
        self._set_timers(partition, decision)
        if decision.record is None:
            self._send(decision.replies)
        else:
            self._store_group(partition, decision.record, decision.replies)

    def _set_timers(self, partition: GroupPartition, decision: Decision) -> None:
        for timer in decision.timers:
            key = TimerKey(timer.kind, decision.group.group_id, timer.member_id)
            if timer.timeout_ms is None:
                self._timers.cancel(key)
            else:
                self._set_timer(key, timer.timeout_ms)

    def _set_timer(self, key: TimerKey | CheckRetention, timeout_ms: int) -> None:
        deadline_ms = self._clock.monotonic_ms() + timeout_ms
        next_ms = self._timers.next_ms()
        self._timers.set(key, deadline_ms)
        if next_ms is None or deadline_ms < next_ms:
            self._rings.set()

    def _send(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            answered = self._waiters.pop(reply.waiter)
            # The client may have gone while it waited.
            if not answered.done():
                answered.set_result(reply.answer)

    def _store_group(
        self, partition: GroupPartition, record: GroupRecord, replies: Sequence[Reply]
    ) -> None:
        def settled(error: Error | None) -> None:
            group = partition.groups.get(record.group_id)
            # Of a partition that was given up, whoever waited was answered then.
            if group is not None and self._serves(partition):
                decide = syncing.stored if error is None else syncing.store_failed
                self._apply(partition, decide(group, record, **self._at()))
            if error is None:
                self._send(replies)
            else:
                log.error("Group %s could not be stored: %s", record.group_id, error)
                self._send([unavailable(reply) for reply in replies])

        encoded = encode_group(record, timestamp_ms=self._clock.now_ms())
        self._submit(partition, {record.group_id}, [encoded], settled)

    def _store_offsets(
        self, partition: GroupPartition, records: Sequence[OffsetRecord]
    ) -> asyncio.Future[Error | None]:
        """Append and replay; the result says why not."""
        done: asyncio.Future[Error | None] = asyncio.get_running_loop().create_future()

        def settled(error: Error | None) -> None:
            if error is None:
                for record in records:
                    partition.replay(record)
            else:
                log.error("Offsets could not be stored: %s", error)
            if not done.done():
                done.set_result(error)

        now_ms = self._clock.now_ms()
        encoded = [encode_offset(record, timestamp_ms=now_ms) for record in records]
        self._submit(partition, {record.group_id for record in records}, encoded, settled)
        return done

    def _bury(self, partition: GroupPartition, group: Group) -> asyncio.Future[Refusal | None]:
        """Delete a group: first nothing new gets in, then what is under way arrives, then the
        tombstones are written."""
        group_id = group.group_id
        done: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()
        buried = leaving.bury(group, Refusal.COORDINATOR_NOT_AVAILABLE, **self._at())
        self._apply(partition, buried)

        def ready(_: Error | None) -> None:
            if not self._serves(partition):
                done.set_result(Refusal.NOT_COORDINATOR)
                return
            now_ms = self._clock.now_ms()
            encoded = [
                encode_offset(OffsetRecord(group_id, topic, index, None), timestamp_ms=now_ms)
                for topic, index in partition.offsets.get(group_id, {})
            ]
            encoded.append(encode_deleted_group(group_id, timestamp_ms=now_ms))
            self._submit(partition, {group_id}, encoded, settled)

        def settled(error: Error | None) -> None:
            if error is None:
                partition.offsets.pop(group_id, None)
                partition.replay(group_id)
            else:
                log.error("Group %s could not be deleted: %s", group_id, error)
                partition.groups[group_id] = group
            if not done.done():
                done.set_result(None if error is None else Refusal.COORDINATOR_NOT_AVAILABLE)

        self._journals[partition.index].submit((), ready)
        return done

    def _barrier(self, partition: GroupPartition) -> asyncio.Future[None]:
        """Done when all that was submitted before is durable, or failed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settled(_: Error | None) -> None:
            if not done.done():
                done.set_result(None)

        self._journals[partition.index].submit((), settled)
        return done

    def _submit(
        self,
        partition: GroupPartition,
        group_ids: AbstractSet[str],
        records: Sequence[LogRecord],
        settled: Settled,
    ) -> None:
        partition.unsettled.update(group_ids)

        def settle(error: Error | None) -> None:
            for group_id in group_ids:
                partition.unsettled[group_id] -= 1
                if not partition.unsettled[group_id]:
                    del partition.unsettled[group_id]
            settled(error)

        self._journals[partition.index].submit(records, settle)


def unavailable(reply: Reply) -> Reply:
    return Reply(reply.waiter, Refused(Refusal.COORDINATOR_NOT_AVAILABLE))


def is_same_topic(one: bytes, other: bytes) -> bool:
    """Offsets of before there were topic ids have none, and requests by name may lack it."""
    return one == other or NO_TOPIC_ID in (one, other)
