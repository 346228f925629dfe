"""Every fdatasync takes 200 ms: acks=all waits for it, acks=1 on the same reactor does not."""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.broker import EXTERNAL, BrokerProcess
from support.frames import Peer
from support.tracing import can_trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DELAY_SECONDS = 0.2
ROUNDS = 15
TOPIC = "slow"

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(180)]


@pytest.fixture
def slow_broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    if EXTERNAL or not can_trace():
        pytest.skip("needs strace and a broker of its own")
    delay = f"inject=fdatasync:delay_exit={int(DELAY_SECONDS * 1_000_000)}"
    prefix = ["strace", "-f", "--seccomp-bpf", "-q", "-o", str(tmp_path / "trace")]
    prefix += ["-e", "trace=fdatasync", "-e", delay]
    # One reactor, so that both kinds of traffic share it.
    environment = {"KAFKA_NUM_NETWORK_THREADS": "1"}
    with BrokerProcess(tmp_path, prefix=prefix, environment=environment) as process:
        yield process


def timed(peer: Peer, partition: int, *, acks: int) -> float:
    began = time.monotonic()
    peer.produce(TOPIC, partition, [b"value"], acks=acks)
    return time.monotonic() - began


def test_acks_all_waits_for_the_disk_and_acks_one_does_not(slow_broker: BrokerProcess) -> None:
    with Peer(slow_broker.port) as peer:
        peer.create_topic(TOPIC, partitions=3)
    synced: list[list[float]] = [[], [], []]

    def sync_all(index: int) -> None:
        with Peer(slow_broker.port) as peer:
            for _ in range(ROUNDS):
                synced[index].append(timed(peer, index % 2, acks=-1))

    threads = [threading.Thread(target=sync_all, args=[index]) for index in range(3)]
    for thread in threads:
        thread.start()
    quick: dict[int, list[float]] = {0: [], 2: []}
    with Peer(slow_broker.port) as peer:
        while any(thread.is_alive() for thread in threads):
            for partition, latencies in quick.items():  # one that is being synced, one that is not
                latencies.append(timed(peer, partition, acks=1))
            time.sleep(0.005)
    for thread in threads:
        thread.join()

    assert min(map(min, synced)) >= DELAY_SECONDS, "an answer came before its fdatasync"
    assert [len(times) for times in synced] == [ROUNDS] * 3
    for partition, latencies in quick.items():
        # The median, for the machine may be busy; a reactor that waits would make it 100 ms.
        median = statistics.median(latencies)
        assert median < DELAY_SECONDS / 10, f"partition {partition}: acks=1 takes {median:.3f} s"


def test_waiting_requests_share_one_fdatasync(slow_broker: BrokerProcess) -> None:
    with Peer(slow_broker.port) as peer:
        peer.create_topic(TOPIC, partitions=1)
    peers = [Peer(slow_broker.port) for _ in range(16)]
    try:
        began = time.monotonic()
        threads = [
            threading.Thread(target=timed, args=[peer, 0], kwargs={"acks": -1}) for peer in peers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - began
    finally:
        for peer in peers:
            peer.socket.close()
    # One after another they would take 3.2 s; together, one under way and the one after it.
    assert taken < DELAY_SECONDS * 8, f"16 requests took {taken:.2f} s"
