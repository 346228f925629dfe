"""A disk that hardly answers: an fdatasync of one partition takes seconds. Who waits for it is
told by the deadline, nobody else waits, and its topic can be deleted.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from meghna._native import batch
from meghna.protocol import messages as m
from support.broker import EXTERNAL, BrokerProcess
from support.cut_load import TOPIC, read_numbers
from support.frames import Peer
from support.tracing import can_trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEAD, ALIVE = 0, 1
ALREADY_EXISTS, REQUEST_TIMED_OUT = 36, 7
TIMEOUT_MS = 600
SYNC_SECONDS = 5.0
# Generous: the machine may be busy. Who waits for the disk waits for longer.
QUICK_SECONDS = 2.0

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(120)]


@contextmanager
def broker_with_a_dead_partition(directory: Path) -> Iterator[BrokerProcess]:
    with BrokerProcess(directory) as plain:
        with Peer(plain.port) as peer:
            peer.create_topic(TOPIC, partitions=2)
            assert produced(peer, DEAD, 0)[0] == 0
        assert plain.stop() == 0
    path = plain.data / f"{TOPIC}-{DEAD}" / "00000000000000000000.log"
    prefix = ["strace", "-f", "-q", "-o", str(directory / "trace"), "-P", str(path)]
    prefix += ["-e", "trace=fdatasync"]
    prefix += ["-e", f"inject=fdatasync:delay_enter={int(SYNC_SECONDS * 1_000_000)}"]
    with BrokerProcess(directory, prefix=prefix, port=plain.port) as broker:
        yield broker


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[BrokerProcess]:
    if EXTERNAL or not can_trace():
        pytest.skip("needs strace and a broker of its own")
    with broker_with_a_dead_partition(tmp_path) as broker:
        yield broker


def produced(peer: Peer, partition: int, number: int) -> tuple[int, float]:
    """The error code of a record with acks=all, and the seconds it took."""
    data = batch.build([(None, b"%d " % number, (), time.time_ns() // 1_000_000)])
    part = m.PartitionProduceData(index=partition, records=data)
    topic = m.TopicProduceData(name=TOPIC, partition_data=[part])
    request = m.ProduceRequest(acks=-1, timeout_ms=TIMEOUT_MS, topic_data=[topic])
    began = time.monotonic()
    answer: Any = peer.call(0, 9, request)
    return answer.responses[0].partition_responses[0].error_code, time.monotonic() - began


def delete_topic(peer: Peer, name: str) -> tuple[int, float]:
    request = m.DeleteTopicsRequest(topic_names=[name], timeout_ms=TIMEOUT_MS)
    began = time.monotonic()
    answer: Any = peer.call(20, 4, request)
    return answer.responses[0].error_code, time.monotonic() - began


def create_topic(peer: Peer, name: str) -> int:
    asked = m.CreatableTopic(name=name, num_partitions=1, replication_factor=1)
    answer: Any = peer.call(19, 5, m.CreateTopicsRequest(topics=[asked], timeout_ms=5_000))
    return int(answer.topics[0].error_code)


def test_who_waits_for_the_disk_is_told_by_the_deadline_and_others_go_on(
    hanging: BrokerProcess,
) -> None:
    with Peer(hanging.port) as dead, Peer(hanging.port) as alive:
        answers: list[tuple[int, float]] = []
        asking = threading.Thread(target=lambda: answers.append(produced(dead, DEAD, 1)))
        asking.start()
        slowest, number = 0.0, 0
        while asking.is_alive():
            code, seconds = produced(alive, ALIVE, number)
            assert code == 0
            slowest = max(slowest, seconds)
            number += 1
        asking.join()
        ((code, seconds),) = answers
        assert code == REQUEST_TIMED_OUT
        assert TIMEOUT_MS / 1000 <= seconds < TIMEOUT_MS / 1000 + QUICK_SECONDS
        assert slowest < QUICK_SECONDS
        assert number > 5
        # What is appended is read, also while the disk has not confirmed it.
        assert read_numbers(alive, DEAD, 0) == [0, 1]
        assert read_numbers(alive, ALIVE, 0) == list(range(number))
    print(
        f"told after {seconds:.2f} s of {TIMEOUT_MS / 1000}; beside it {number} requests, the "
        f"slowest took {slowest * 1000:.0f} ms"
    )


def test_a_topic_on_such_a_disk_is_deleted_and_nobody_waits_for_it(hanging: BrokerProcess) -> None:
    with Peer(hanging.port) as dead, Peer(hanging.port) as peer:
        assert create_topic(peer, "other") == 0
        assert produced(dead, DEAD, 1)[0] == REQUEST_TIMED_OUT  # its fdatasync is under way
        code, seconds = delete_topic(peer, TOPIC)
        assert code == REQUEST_TIMED_OUT
        assert TIMEOUT_MS / 1000 <= seconds < TIMEOUT_MS / 1000 + QUICK_SECONDS
        began = time.monotonic()
        assert create_topic(peer, "third") == 0
        assert delete_topic(peer, "other")[0] == 0
        assert create_topic(peer, TOPIC) == ALREADY_EXISTS  # until the old one is gone
        assert time.monotonic() - began < QUICK_SECONDS
        deadline = time.monotonic() + SYNC_SECONDS * 4
        while create_topic(peer, TOPIC) != 0:
            assert time.monotonic() < deadline, "the name is not free again"
            time.sleep(0.05)
        code, _ = produced(peer, DEAD, 0)
        assert code in (0, REQUEST_TIMED_OUT)
        assert read_numbers(peer, DEAD, 0) == [0], "records of the deleted topic are there again"
    print(f"answered after {seconds:.2f} s of {TIMEOUT_MS / 1000}, {SYNC_SECONDS} s a fdatasync")
