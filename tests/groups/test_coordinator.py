"""The coordinator over a log in memory: what is durable when, and what a restart finds."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from groups.memory_log import FakeClock, MemoryLog
from groups.scenario import SESSION_MS, SETTINGS, protocols
from groups.test_record_format import RECORDS
from meghna.groups.coordinator import FetchPartition, GroupCoordinator
from meghna.groups.decision import Joined, Left, Refused, Synced
from meghna.groups.joining import Join
from meghna.groups.journal import LogRecord
from meghna.groups.leaving import Leaving
from meghna.groups.offsets import NO_TOPIC_ID, Commit, PartitionCommit
from meghna.groups.refusal import Refusal
from meghna.groups.state import State
from meghna.groups.syncing import Heartbeat, Sync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PARTITIONS = 5
TOPIC_ID = bytes(range(16))


class World:
    """A coordinator with its log and clock; `restart` begins another one on the same log."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.tasks = tasks
        self.log = MemoryLog()
        self.clock = FakeClock()
        self.settings = replace(SETTINGS, initial_rebalance_delay_ms=0)

    async def restart(self) -> None:
        self.groups = GroupCoordinator(
            self.log, settings=self.settings, partition_count=PARTITIONS, clock=self.clock
        )
        self.groups.start(self.tasks)
        await self.groups.load(range(PARTITIONS))

    def wait(self, time_ms: int) -> None:
        self.clock.time_ms += time_ms
        self.groups.ring_due()

    async def join(self, group_id: str, member_id: str = "", new_member_id: str = "m") -> Joined:
        joining = self.tasks.create_task(
            self.groups.join(group_id, join_event(member_id, new_member_id))
        )
        await asyncio.sleep(0)
        self.wait(0)
        answer = await joining
        assert isinstance(answer, Joined), answer
        return answer

    async def stable(self, group_id: str) -> None:
        joined = await self.join(group_id)
        answer = await self.groups.sync(
            group_id,
            Sync(
                member_id="m",
                instance_id=None,
                generation=joined.generation,
                protocol_type="consumer",
                protocol="range",
                assignments={"m": b"all"},
            ),
        )
        assert answer == Synced(protocol_type="consumer", protocol="range", assignment=b"all")

    def heartbeat(self, group_id: str, generation: int = 1) -> Refusal | None:
        event = Heartbeat(member_id="m", instance_id=None, generation=generation)
        return self.groups.heartbeat(group_id, event)

    async def commit(
        self, group_id: str, offset: int, *, topic: str = "t", generation: int = -1
    ) -> tuple[Refusal | None, ...] | Refusal:
        partition = PartitionCommit(
            topic=topic,
            topic_id=TOPIC_ID,
            partition=0,
            offset=offset,
            leader_epoch=-1,
            metadata=None,
        )
        event = Commit(
            member_id="" if generation < 0 else "m",
            instance_id=None,
            generation=generation,
            retention_ms=None,
            partitions=(partition,),
        )
        return await self.groups.commit_offsets(group_id, event)

    async def offset(self, group_id: str, *, topic: str = "t", stable: bool = False) -> int | None:
        wanted = [FetchPartition(topic=topic, topic_id=NO_TOPIC_ID, partition=0)]
        found = await self.groups.fetch_offsets(group_id, wanted, require_stable=stable)
        assert isinstance(found, dict)
        return found[topic, 0].offset if found else None


def join_event(member_id: str, new_member_id: str, *, must_know_id: bool = False) -> Join:
    return Join(
        member_id=member_id,
        instance_id=None,
        client_id="c",
        client_host="/h",
        session_timeout_ms=SESSION_MS,
        rebalance_timeout_ms=SESSION_MS,
        protocol_type="consumer",
        protocols=protocols("range"),
        new_member_id=new_member_id,
        must_know_id=must_know_id,
        can_skip_assignment=True,
    )


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    async with asyncio.TaskGroup() as tasks:
        world = World(tasks)
        await world.restart()
        yield world


async def test_a_group_goes_on_after_a_restart_as_if_nothing_had_happened() -> None:
    async with running() as world:
        await world.stable("g")
        assert await world.commit("g", 42, generation=1) == (None,)
        await world.restart()
        assert world.heartbeat("g") is None
        assert await world.offset("g") == 42
        assert await world.commit("g", 43, generation=1) == (None,)
        described = world.groups.describe("g")
        assert not isinstance(described, Refusal)
        assert (described.state, described.protocol) == (State.STABLE, "range")
        assert [member.assignment for member in described.members] == [b"all"]


async def test_a_member_that_does_not_come_back_after_a_restart_is_removed() -> None:
    async with running() as world:
        await world.stable("g")
        await world.restart()
        world.wait(SESSION_MS)
        await asyncio.sleep(0.01)
        assert world.heartbeat("g") is Refusal.UNKNOWN_MEMBER_ID
        await world.restart()
        (group,) = world.groups.list_groups()
        assert (group.state, group.generation) == (State.EMPTY, 2)


async def test_commits_that_arrive_together_cost_one_append_per_partition() -> None:
    async with running() as world:
        results = await asyncio.gather(*(world.commit(f"g{n}", n) for n in range(200)))
        assert results == [(None,)] * 200
        assert world.log.append_count <= PARTITIONS
        await world.restart()
        assert [await world.offset(f"g{n}") for n in range(200)] == list(range(200))


async def test_an_offset_is_answered_and_seen_once_it_is_durable() -> None:
    async with running() as world:
        world.log.turns.clear()
        committing = world.tasks.create_task(world.commit("g", 42))
        await asyncio.sleep(0.01)
        assert not committing.done()
        assert await world.offset("g") is None
        stable = world.tasks.create_task(world.offset("g", stable=True))
        await asyncio.sleep(0.01)
        assert not stable.done()
        world.log.turns.set()
        assert await stable == 42
        assert await committing == (None,)


async def test_an_offset_that_cannot_be_stored_is_refused() -> None:
    async with running() as world:
        world.log.failures = 1
        assert await world.commit("g", 1) is Refusal.COORDINATOR_NOT_AVAILABLE
        assert await world.offset("g") is None
        assert await world.commit("g", 2) == (None,)


async def test_assignments_that_cannot_be_stored_start_over() -> None:
    async with running() as world:
        joined = await world.join("g")
        world.log.failures = 1
        sync = Sync(
            member_id="m",
            instance_id=None,
            generation=joined.generation,
            protocol_type=None,
            protocol=None,
            assignments={},
        )
        assert await world.groups.sync("g", sync) == Refused(Refusal.COORDINATOR_NOT_AVAILABLE)
        assert world.heartbeat("g") is Refusal.REBALANCE_IN_PROGRESS


async def test_a_client_that_goes_while_it_waits_hurts_nobody() -> None:
    async with running() as world:
        await world.stable("g")
        waiting = world.tasks.create_task(world.groups.join("g", join_event("", "n")))
        await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        assert (await world.join("g", "m")).generation == 2


async def test_a_group_is_deleted_with_its_offsets_when_it_is_empty() -> None:
    async with running() as world:
        await world.stable("g")
        await world.commit("g", 1, generation=1)
        assert await world.groups.delete_group("g") is Refusal.NON_EMPTY_GROUP
        left = await world.groups.leave("g", (Leaving("m", None),))
        assert isinstance(left, Left)
        assert await world.groups.delete_group("g") is None
        assert await world.groups.delete_group("g") is Refusal.GROUP_ID_NOT_FOUND
        for _ in range(2):
            assert world.groups.list_groups() == []
            assert await world.offset("g") is None
            await world.restart()


async def test_a_commit_under_way_does_not_outlive_the_deletion_of_its_group() -> None:
    async with running() as world:
        await world.commit("g", 1)
        world.log.turns.clear()
        committing = world.tasks.create_task(world.commit("g", 2, topic="u"))
        await asyncio.sleep(0.01)
        deleting = world.tasks.create_task(world.groups.delete_group("g"))
        await asyncio.sleep(0)
        assert await world.commit("g", 3) is Refusal.COORDINATOR_NOT_AVAILABLE
        world.log.turns.set()
        assert (await committing, await deleting) == ((None,), None)
        await world.restart()
        assert (await world.offset("g"), await world.offset("g", topic="u")) == (None, None)
        assert world.groups.list_groups() == []


async def test_a_deletion_that_cannot_be_stored_brings_the_group_back() -> None:
    async with running() as world:
        await world.commit("g", 1)
        world.log.failures = 1
        assert await world.groups.delete_group("g") is Refusal.COORDINATOR_NOT_AVAILABLE
        assert await world.offset("g") == 1
        assert await world.groups.delete_group("g") is None


async def test_offsets_are_deleted_but_for_topics_in_use() -> None:
    async with running() as world:
        await world.stable("g")
        await world.commit("g", 1, generation=1)
        await world.commit("g", 2, topic="u", generation=1)
        result = await world.groups.delete_offsets("g", [("t", 0), ("u", 0), ("never", 0)])
        assert result == (Refusal.GROUP_SUBSCRIBED_TO_TOPIC, None, None)
        await world.restart()
        assert (await world.offset("g"), await world.offset("g", topic="u")) == (1, None)


async def test_offsets_of_a_deleted_topic_are_forgotten() -> None:
    async with running() as world:
        await world.commit("g", 1)
        await world.commit("h", 1)
        await world.commit("h", 2, topic="u")
        await world.groups.forget_topics({"t": b"x" * 16})  # of a later one, or an earlier
        assert await world.offset("g") == 1
        await world.groups.forget_topics({"t": TOPIC_ID})
        await world.restart()
        assert [await world.offset(name) for name in "gh"] == [None, None]
        assert await world.offset("h", topic="u") == 2


async def test_offsets_of_a_topic_that_was_made_again_are_not_shown() -> None:
    async with running() as world:
        await world.commit("g", 1)
        for topic_id, is_shown in ((TOPIC_ID, True), (NO_TOPIC_ID, True), (b"x" * 16, False)):
            wanted = [FetchPartition(topic="t", topic_id=topic_id, partition=0)]
            found = await world.groups.fetch_offsets("g", wanted, require_stable=False)
            assert isinstance(found, dict)
            assert bool(found) is is_shown


async def test_what_nobody_uses_expires_with_its_group() -> None:
    async with running() as world:
        await world.commit("g", 1)
        world.wait(SETTINGS.retention_ms - 1)
        await world.commit("h", 2)
        world.wait(SETTINGS.retention_check_interval_ms)
        await asyncio.sleep(0.01)
        assert (await world.offset("g"), await world.offset("h")) == (None, 2)
        await world.restart()
        assert [group.group_id for group in world.groups.list_groups()] == ["h"]


async def test_what_is_on_its_way_to_a_disk_that_is_given_up_hurts_nobody() -> None:
    async with running() as world:
        member = await world.join("g")
        await world.commit("h", 1)
        world.log.turns.clear()
        event = Sync(
            member_id=member.member_id,
            instance_id=None,
            generation=member.generation,
            protocol_type="consumer",
            protocol=member.protocol,
            assignments={member.member_id: b"a"},
        )
        syncing = world.tasks.create_task(world.groups.sync("g", event))
        committing = world.tasks.create_task(world.commit("h", 2))
        await asyncio.sleep(0.01)
        deleting = world.tasks.create_task(world.groups.delete_group("h"))
        await asyncio.sleep(0.01)
        world.groups.unload(range(PARTITIONS))
        assert await syncing == Refused(Refusal.NOT_COORDINATOR, "m")
        world.log.turns.set()
        await committing
        assert await deleting is Refusal.NOT_COORDINATOR
        await world.restart()
        assert await world.offset("h") == 2


async def test_groups_of_partitions_that_are_not_here_are_sent_away() -> None:
    async with running() as world:
        world.groups.unload(range(PARTITIONS))
        refused = Refused(Refusal.NOT_COORDINATOR, "m")
        assert await world.groups.join("g", join_event("m", "")) == refused
        assert world.heartbeat("g") is Refusal.NOT_COORDINATOR
        assert await world.commit("g", 1) is Refusal.NOT_COORDINATOR
        assert world.groups.describe("g") is Refusal.NOT_COORDINATOR
        assert await world.groups.delete_group("g") is Refusal.NOT_COORDINATOR
        assert world.groups.list_groups() == []


async def test_whoever_waits_when_the_broker_stops_is_sent_away() -> None:
    async with running() as world:
        await world.stable("g")
        waiting = world.tasks.create_task(world.groups.join("g", join_event("", "n")))
        await asyncio.sleep(0)
        world.groups.stop()
        assert await waiting == Refused(Refusal.NOT_COORDINATOR, "n")


async def test_requests_are_told_to_wait_while_groups_are_read_back() -> None:
    async with running() as world:
        await world.stable("g")
        world.groups = GroupCoordinator(
            world.log, settings=world.settings, partition_count=PARTITIONS, clock=world.clock
        )
        world.groups.start(world.tasks)
        loading = world.tasks.create_task(world.groups.load(range(PARTITIONS)))
        await asyncio.sleep(0)
        assert await world.commit("g", 1) is Refusal.COORDINATOR_LOAD_IN_PROGRESS
        assert world.heartbeat("g") is None, "nobody is dead yet"
        await loading
        assert world.heartbeat("g") is None


async def test_a_request_without_a_group_id_or_with_a_wild_timeout_is_refused() -> None:
    async with running() as world:
        assert await world.groups.join("", join_event("", "")) == Refused(Refusal.INVALID_GROUP_ID)
        assert world.heartbeat("") is Refusal.INVALID_GROUP_ID
        for timeout_ms in (99, 1_800_001):
            event = replace(join_event("", ""), session_timeout_ms=timeout_ms)
            refused = Refused(Refusal.INVALID_SESSION_TIMEOUT)
            assert await world.groups.join("g", event) == refused
        assert await world.groups.delete_offsets("", []) is Refusal.INVALID_GROUP_ID
        # Commits have always been taken from consumers without a group id.
        assert await world.commit("", 1) == (None,)


async def test_a_group_that_kafka_left_is_taken_over() -> None:
    async with running() as world:
        index = world.groups.partition_for("grp-two")
        world.log.batches[index] = [
            [LogRecord(*RECORDS["assigned"], 0), LogRecord(*RECORDS["offset"], 0)]
        ]
        await world.restart()
        described = world.groups.describe("grp-two")
        assert not isinstance(described, Refusal)
        assert described.state is State.STABLE
        assert [member.assignment for member in described.members] == [b"for-b", b"for-a"]
        event = Heartbeat(
            member_id=described.members[0].member_id, instance_id="inst-1", generation=1
        )
        assert world.groups.heartbeat("grp-two", event) is None


async def test_timers_ring_by_themselves_while_their_task_runs() -> None:
    async with running() as world:
        ringing = world.tasks.create_task(world.groups.run_timers())
        await asyncio.sleep(0)
        joined = await world.groups.join("g", join_event("", "m"))
        assert isinstance(joined, Joined), "the initial delay is 0, so it rang"
        ringing.cancel()
