"""A full disk: records are refused at once, deleting and stopping work, and records are taken
again when there is room, without a restart.

On a small tmpfs and on a small ext4, filled by records, and once by somebody else's file.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import pytest

import meghna
from meghna.errors import NoSpaceError
from meghna.protocol import messages as m
from meghna.protocol import wire
from support import small_memory, volume
from support.broker import EXTERNAL, BrokerProcess
from support.frames import Peer, produce_frame
from support.small_memory import SmallMemory
from support.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 64 << 20
FULL, OTHER, CLEAN_MARK = "full", "other", ".kafka_cleanshutdown"
STORAGE_ERROR = 56
ASKED_WHILE_FULL = 300
# Generous, for the machine may be busy; an answer that waits for room would never come.
ANSWER_SECONDS_MAX = 1.0
OPTIONS = ["--set", "offsets.topic.num.partitions=1", "--set", "log.segment.bytes=4194304"]
OPTIONS += ["--set", "log.flush.offset.checkpoint.interval.ms=200"]
OPTIONS += [
    "--set",
    "log.retention.check.interval.ms=500",
    "--set",
    "log.initial.task.delay.ms=100",
]

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(180)]


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    why = small_memory.missing() if request.param == "tmpfs" else volume.missing("ext4")
    if why or EXTERNAL:
        pytest.skip(why or "needs a broker of its own")
    if request.param == "tmpfs":
        with SmallMemory(SIZE) as memory:
            yield memory.path
    else:
        with Volume("ext4", size=SIZE) as disk:
            yield disk.path


def broker_on(disk: Path, tmp_path: Path) -> BrokerProcess:
    return BrokerProcess(tmp_path, data=disk / "data", options=OPTIONS)


def produced(peer: Peer, topic: str, size: int, *, acks: int = -1) -> int:
    peer.send(produce_frame(topic, 0, [b"x" * size], acks=acks))
    answer: Any = wire.decode_response(0, 9, peer.reply()[4:])
    (part,) = answer.responses[0].partition_responses
    return int(part.error_code)


def fill(peer: Peer, topic: str) -> int:
    """Produce until nothing is taken any more, not even a small record; how many were taken."""
    count = 0
    for size in (500_000, 50_000, 1_000):
        while (code := produced(peer, topic, size)) == 0:
            count += 1
        assert code == STORAGE_ERROR
    return count


def asked_while_full(peer: Peer, topic: str) -> float:
    """The 99th percentile of the seconds until a record is refused."""
    taken = []
    for number in range(ASKED_WHILE_FULL):
        began = time.monotonic()
        assert produced(peer, topic, 5_000, acks=(-1, 1)[number % 2]) == STORAGE_ERROR
        taken.append(time.monotonic() - began)
    return sorted(taken)[math.ceil(len(taken) * 0.99) - 1]


def commit(peer: Peer, offset: int) -> int:
    part = m.OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
    topic = m.OffsetCommitRequestTopic(OTHER, partitions=[part])
    request = m.OffsetCommitRequest(group_id="readers", topics=[topic])
    while True:
        answer: Any = peer.call(8, 8, request)
        code = int(answer.topics[0].partitions[0].error_code)
        if code not in (14, 16):
            return code
        time.sleep(0.01)


def delete_topic(peer: Peer, name: str) -> int:
    answer: Any = peer.call(20, 4, m.DeleteTopicsRequest(topic_names=[name], timeout_ms=30_000))
    return int(answer.responses[0].error_code)


def wait_taken(peer: Peer, topic: str) -> float:
    """The seconds until a record is taken again."""
    began = time.monotonic()
    while produced(peer, topic, 5_000) != 0:
        assert time.monotonic() - began < 20, "nothing is taken although there is room"
        time.sleep(0.01)
    return time.monotonic() - began


def high_watermark(peer: Peer, topic: str) -> int:
    wanted = m.ListOffsetsTopic(topic, [m.ListOffsetsPartition(partition_index=0, timestamp=-1)])
    answer: Any = peer.call(2, 7, m.ListOffsetsRequest(replica_id=-1, topics=[wanted]))
    return int(answer.topics[0].partitions[0].offset)


def test_a_full_disk_refuses_at_once_and_is_freed_by_deleting_a_topic(
    small_disk: Path, tmp_path: Path
) -> None:
    with broker_on(small_disk, tmp_path) as broker, Peer(broker.port) as peer:
        peer.create_topic(FULL, partitions=1)
        peer.create_topic(OTHER, partitions=1)
        peer.call(10, 4, m.FindCoordinatorRequest(key_type=0, coordinator_keys=["readers"]))
        assert commit(peer, 1) == 0
        assert produced(peer, OTHER, 1_000) == 0
        count = fill(peer, FULL)
        slowest = asked_while_full(peer, FULL)
        assert slowest < ANSWER_SECONDS_MAX
        assert high_watermark(peer, FULL) == count
        assert "the disk is full" in broker.log
        assert delete_topic(peer, FULL) == 0
        back = wait_taken(peer, OTHER)
        assert commit(peer, 2) == 0
        peer.create_topic(FULL, partitions=1)
        assert produced(peer, FULL, 500_000) == 0
        assert broker.stop() == 0
        assert (broker.data / CLEAN_MARK).exists()
    print(f"refused within {slowest * 1000:.1f} ms (p99), taken again {back * 1000:.0f} ms after")


def test_a_full_disk_is_freed_by_deleting_records_and_by_retention(
    small_disk: Path, tmp_path: Path
) -> None:
    with broker_on(small_disk, tmp_path) as broker, Peer(broker.port) as peer:
        peer.create_topic(FULL, partitions=1)
        count = fill(peer, FULL)
        asked = m.DeleteRecordsPartition(partition_index=0, offset=count // 2)
        records = m.DeleteRecordsTopic(name=FULL, partitions=[asked])
        answer: Any = peer.call(21, 2, m.DeleteRecordsRequest(topics=[records], timeout_ms=30_000))
        assert answer.topics[0].partitions[0].error_code == 0
        wait_taken(peer, FULL)

        fill(peer, FULL)
        config = m.IncrementalAlterConfigsRequestAlterableConfig("retention.bytes", 0, "8000000")
        resource = m.IncrementalAlterConfigsRequestAlterConfigsResource(2, FULL, [config])
        altered: Any = peer.call(44, 1, m.IncrementalAlterConfigsRequest(resources=[resource]))
        assert altered.responses[0].error_code == 0
        wait_taken(peer, FULL)
        assert broker.stop() == 0


def test_a_disk_that_somebody_else_filled_lets_the_broker_stop_cleanly(
    small_disk: Path, tmp_path: Path
) -> None:
    with broker_on(small_disk, tmp_path) as broker:
        with Peer(broker.port) as peer:
            peer.create_topic(FULL, partitions=1)
            peer.create_topic(OTHER, partitions=1)
            for _ in range(10):
                assert produced(peer, FULL, 100_000) == 0
            fill_with_a_file(small_disk / "foreign")
            fill(peer, FULL)
            assert asked_while_full(peer, FULL) < ANSWER_SECONDS_MAX
            end = high_watermark(peer, FULL)
            assert delete_topic(peer, OTHER) == 0
        assert broker.stop() == 0
        assert (broker.data / CLEAN_MARK).exists()
        broker.start()
        with Peer(broker.port) as peer:
            assert high_watermark(peer, FULL) == end
            assert produced(peer, FULL, 100_000) == STORAGE_ERROR
            (small_disk / "foreign").unlink()
            wait_taken(peer, FULL)
        assert broker.stop() == 0


def fill_with_a_file(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4_096):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass


def test_the_library_says_that_the_disk_is_full_and_takes_the_same_rows_later(
    small_disk: Path,
) -> None:
    with meghna.open(small_disk / "data") as log:
        topic = log.topic("full", create=True, flush="group")
        spare = log.topic("spare", create=True)
        spare.append(b"x" * 4_000_000)
        rows, count = [b"x" * 1_000] * 500, 0
        with pytest.raises(NoSpaceError) as told:  # noqa: PT012 - until it is full
            while True:
                topic.append_many(rows)
                count += len(rows)
        assert told.value.retriable
        end = topic.partitions[0].end
        assert count <= end < count + len(rows)
        with pytest.raises(NoSpaceError):
            topic.append_many(rows[end - count :])
        log.delete_topic("spare")
        appended = topic.append_many(rows[end - count :])
        assert appended.count == count + len(rows) - end
        assert topic.partitions[0].durable_end == count + len(rows)
