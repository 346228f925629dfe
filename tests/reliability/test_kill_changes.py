"""SIGKILL while topics and offsets change: what was acknowledged is there, nothing is half done.

Each worker has topic names of its own and asks for one change at a time: topics made, grown,
altered, written to, read from, deleted and made again. So at a death at most one change a worker
was not answered, and afterwards its topic is as before it or as after it, whole.

MEGHNA_KILL_COUNT says how often to kill (make kill-test), MEGHNA_KILL_SEED repeats the moments.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from meghna.protocol import messages as m
from support.broker import EXTERNAL, BrokerProcess
from support.frames import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COUNT = int(os.environ.get("MEGHNA_KILL_COUNT", "30"))
SEED = int(os.environ.get("MEGHNA_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
WORKERS = 3
NAMES = 3
PARTITIONS_MAX = 6
OPTIONS = ["--set", "offsets.topic.num.partitions=4"]
NO_ID = bytes(16)
TOPIC, SET = 2, 0
NOT_READY = (14, 15, 16)  # the groups are read back, or their topic is made

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(120 + 10 * COUNT)]


@dataclass(frozen=True)
class Topic:
    """A topic as clients see it."""

    id: bytes
    retention: str
    ends: tuple[int, ...]
    """Records in each partition."""
    committed: Mapping[int, int] = field(default_factory=dict)
    """Offsets by partition that the worker's group committed since the topic is there."""


@dataclass
class Worker:
    """What one client did, was told, and must find."""

    number: int
    rng: random.Random
    topics: dict[str, Topic | None] = field(default_factory=dict)
    pending: tuple[str, Topic | None] | None = None
    """The change that was asked for and not answered."""
    acknowledged: int = 0
    fault: BaseException | None = None

    def __post_init__(self) -> None:
        self.topics = {f"w{self.number}.{index}": None for index in range(NAMES)}

    @property
    def group(self) -> str:
        return f"group-{self.number}"

    # ---- Changing ----

    def run(self, port: int) -> None:
        try:
            with Peer(port) as peer:
                find_coordinator(peer, self.group)
                while True:
                    self.change(peer)
                    self.acknowledged += 1
        except OSError:
            return  # killed
        except BaseException as fault:  # noqa: BLE001 - the test's own thread tells it
            self.fault = fault

    def change(self, peer: Peer) -> None:
        name = self.rng.choice(list(self.topics))
        topic = self.topics[name]
        if topic is None:
            self.create(peer, name)
            return
        kinds = [self.delete, self.grow, self.alter, self.write, self.write, self.commit]
        self.rng.choice(kinds)(peer, name, topic)

    def create(self, peer: Peer, name: str) -> None:
        retention = str(self.rng.randrange(10**9, 10**10))
        wanted = Topic(NO_ID, retention, (0,) * self.rng.randint(1, PARTITIONS_MAX // 2))
        self.pending = (name, wanted)
        configs = [m.CreatableTopicConfig("retention.ms", retention)]
        asked = m.CreatableTopic(name, len(wanted.ends), 1, (), configs)
        answer = peer.call(19, 7, m.CreateTopicsRequest(topics=[asked], timeout_ms=30_000))
        (told,) = field_of(answer, "topics")
        assert told.error_code == 0, told
        self.settle(name, replace(wanted, id=told.topic_id))

    def delete(self, peer: Peer, name: str, _: Topic) -> None:
        self.pending = (name, None)
        answer = peer.call(20, 4, m.DeleteTopicsRequest(topic_names=[name], timeout_ms=30_000))
        (told,) = field_of(answer, "responses")
        assert told.error_code == 0, told
        self.settle(name, None)

    def grow(self, peer: Peer, name: str, topic: Topic) -> None:
        if len(topic.ends) == PARTITIONS_MAX:
            return
        added = self.rng.randint(1, PARTITIONS_MAX - len(topic.ends))
        wanted = replace(topic, ends=topic.ends + (0,) * added)
        self.pending = (name, wanted)
        asked = m.CreatePartitionsTopic(name, len(wanted.ends), None)
        answer = peer.call(37, 3, m.CreatePartitionsRequest(topics=[asked], timeout_ms=30_000))
        (told,) = field_of(answer, "results")
        assert told.error_code == 0, told
        self.settle(name, wanted)

    def alter(self, peer: Peer, name: str, topic: Topic) -> None:
        wanted = replace(topic, retention=str(self.rng.randrange(10**9, 10**10)))
        self.pending = (name, wanted)
        config = m.IncrementalAlterConfigsRequestAlterableConfig(
            "retention.ms", SET, wanted.retention
        )
        asked = m.IncrementalAlterConfigsRequestAlterConfigsResource(TOPIC, name, [config])
        answer = peer.call(44, 1, m.IncrementalAlterConfigsRequest(resources=[asked]))
        (told,) = field_of(answer, "responses")
        assert told.error_code == 0, told
        self.settle(name, wanted)

    def write(self, peer: Peer, name: str, topic: Topic) -> None:
        index = self.rng.randrange(len(topic.ends))
        ends = list(topic.ends)
        ends[index] += 1
        wanted = replace(topic, ends=tuple(ends))
        self.pending = (name, wanted)
        assert peer.produce(name, index, [b"value"], acks=-1) == topic.ends[index]
        self.settle(name, wanted)

    def commit(self, peer: Peer, name: str, topic: Topic) -> None:
        index = self.rng.randrange(len(topic.ends))
        offset = self.rng.randrange(10**6)
        wanted = replace(topic, committed={**topic.committed, index: offset})
        self.pending = (name, wanted)
        partition = m.OffsetCommitRequestPartition(partition_index=index, committed_offset=offset)
        request = m.OffsetCommitRequest(
            group_id=self.group,
            generation_id_or_member_epoch=-1,
            member_id="",
            topics=[m.OffsetCommitRequestTopic(name=name, partitions=[partition])],
        )
        while True:
            answer = peer.call(8, 8, request)
            code = field_of(answer, "topics")[0].partitions[0].error_code
            if code not in NOT_READY:
                break
            time.sleep(0.01)
        assert code == 0, answer
        self.settle(name, wanted)

    def settle(self, name: str, topic: Topic | None) -> None:
        self.topics[name] = topic
        self.pending = None

    # ---- Finding ----

    def check(self, peer: Peer) -> None:
        for name, before in self.topics.items():
            allowed = [before]
            if self.pending is not None and self.pending[0] == name:
                allowed.append(self.pending[1])
            found = self.found(peer, name)
            (fitting,) = [each for each in allowed if is_like(found, each)][:1] or [None]
            assert is_like(found, fitting), f"{name}: {found} is none of {allowed}"
            self.topics[name] = (
                None if fitting is None or found is None else replace(fitting, id=found.id)
            )
        self.pending = None

    def found(self, peer: Peer, name: str) -> Topic | None:
        asked = m.MetadataRequest(
            topics=[m.MetadataRequestTopic(name=name)], allow_auto_topic_creation=False
        )
        (told,) = field_of(peer.call(3, 12, asked), "topics")
        if told.error_code == 3:
            return None
        assert told.error_code == 0, told
        indexes = sorted(partition.partition_index for partition in told.partitions)
        assert indexes == list(range(len(indexes))), told
        assert all(p.error_code == 0 and p.leader_id == 1 for p in told.partitions), told
        return Topic(
            id=told.topic_id,
            retention=retention(peer, name),
            ends=ends(peer, name, len(indexes)),
            committed=committed(peer, self.group, name, len(indexes)),
        )


def is_like(found: Topic | None, known: Topic | None) -> bool:
    if found is None or known is None:
        return found is known
    # What was committed for the last topic of that name may still be there; it is not looked at.
    offsets = {index: found.committed.get(index) for index in known.committed}
    return (
        known.id in (NO_ID, found.id)
        and (found.retention, found.ends) == (known.retention, known.ends)
        and offsets == known.committed
    )


def field_of(answer: object, name: str) -> Any:
    return getattr(answer, name)


def find_coordinator(peer: Peer, group: str) -> None:
    request = m.FindCoordinatorRequest(key_type=0, coordinator_keys=[group])
    (told,) = field_of(peer.call(10, 4, request), "coordinators")
    assert told.error_code == 0, told


def retention(peer: Peer, name: str) -> str:
    resource = m.DescribeConfigsResource(TOPIC, name, ["retention.ms"])
    (told,) = field_of(peer.call(32, 4, m.DescribeConfigsRequest(resources=[resource])), "results")
    (config,) = told.configs
    return str(config.value)


def ends(peer: Peer, name: str, count: int) -> tuple[int, ...]:
    wanted = [m.ListOffsetsPartition(partition_index=i, timestamp=-1) for i in range(count)]
    request = m.ListOffsetsRequest(replica_id=-1, topics=[m.ListOffsetsTopic(name, wanted)])
    (told,) = field_of(peer.call(2, 7, request), "topics")
    assert all(partition.error_code == 0 for partition in told.partitions), told
    found = {partition.partition_index: partition.offset for partition in told.partitions}
    return tuple(found[index] for index in range(count))


def committed(peer: Peer, group: str, name: str, count: int) -> dict[int, int]:
    topics = [m.OffsetFetchRequestTopic(name, list(range(count)))]
    request = m.OffsetFetchRequest(group_id=group, topics=topics, require_stable=True)
    while True:
        answer = peer.call(9, 7, request)
        if field_of(answer, "error_code") not in NOT_READY:
            break
        time.sleep(0.01)
    (told,) = field_of(answer, "topics")
    assert all(partition.error_code == 0 for partition in told.partitions), told
    return {
        p.partition_index: p.committed_offset for p in told.partitions if p.committed_offset >= 0
    }


def check_directory(data: Path, workers: list[Worker]) -> None:
    """On disk there is what clients see, and before long nothing else."""
    wanted = {
        f"{name}-{index}"
        for worker in workers
        for name, topic in worker.topics.items()
        if topic is not None
        for index in range(len(topic.ends))
    }
    deadline = time.monotonic() + 10
    while True:
        found = {path.name for path in data.iterdir() if re.match(r"w\d", path.name)}
        if found == wanted:
            return
        assert not [name for name in found if name.endswith("-stray")], found
        assert time.monotonic() < deadline, found ^ wanted
        time.sleep(0.02)


@pytest.fixture
def few_offsets_partitions(tmp_path: Path) -> Iterator[BrokerProcess]:
    if EXTERNAL:
        pytest.skip("needs a broker of its own")
    with BrokerProcess(tmp_path, options=OPTIONS) as process:
        yield process


def test_every_acknowledged_change_is_there_and_none_is_half_done(
    few_offsets_partitions: BrokerProcess,
) -> None:
    broker = few_offsets_partitions
    print(f"MEGHNA_KILL_SEED={SEED}")
    rng = random.Random(SEED)
    workers = [Worker(number, random.Random(rng.random())) for number in range(WORKERS)]
    for _ in range(COUNT):
        threads = [threading.Thread(target=worker.run, args=[broker.port]) for worker in workers]
        for thread in threads:
            thread.start()
        time.sleep(rng.uniform(0, 0.4))
        broker.kill()
        for thread in threads:
            thread.join(30)
        faults = [worker.fault for worker in workers if worker.fault is not None]
        assert not faults, faults
        broker.start()
        with Peer(broker.port) as peer:
            for worker in workers:
                find_coordinator(peer, worker.group)
                worker.check(peer)
        check_directory(broker.data, workers)
    acknowledged = sum(worker.acknowledged for worker in workers)
    assert acknowledged > COUNT
    assert broker.stop() == 0
    print(f"{COUNT} kills, {acknowledged} changes acknowledged, all there and whole")
