"""Which records of a refused batch Produce names, so that a client can send the rest again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from meghna._native import batch
from meghna.errors import ErrorCode
from meghna.protocol import messages
from support.broker import BrokerProcess
from support.frames import CREATE_TOPICS, PRODUCE, Peer

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = time.time_ns() // 1_000_000
DAY_MS = 24 * 3600 * 1000


def created(peer: Peer, name: str, **configs: str) -> None:
    entries = [
        messages.CreatableTopicConfig(name=key.replace("_", "."), value=value)
        for key, value in configs.items()
    ]
    topic = messages.CreatableTopic(
        name=name, num_partitions=1, replication_factor=1, configs=entries
    )
    answer = peer.call(CREATE_TOPICS, 5, messages.CreateTopicsRequest(topics=[topic]))
    assert isinstance(answer, messages.CreateTopicsResponse)
    assert answer.topics[0].error_code == 0, answer


def produced(
    peer: Peer, topic: str, version: int, *, records: list[tuple[bytes | None, int]]
) -> messages.PartitionProduceResponse:
    data = batch.build([(key, b"v", (), timestamp) for key, timestamp in records])
    part = messages.PartitionProduceData(index=0, records=data)
    request = messages.ProduceRequest(
        acks=1,
        timeout_ms=1000,
        topic_data=[messages.TopicProduceData(name=topic, partition_data=[part])],
    )
    answer = peer.call(PRODUCE, version, request)
    assert isinstance(answer, messages.ProduceResponse)
    return answer.responses[0].partition_responses[0]


@pytest.mark.parametrize("version", [8, 9, 12])
def test_each_refused_record_is_named(tmp_path: Path, version: int) -> None:
    with BrokerProcess(tmp_path) as broker, Peer(broker.port) as peer:
        created(peer, "keyed", cleanup_policy="compact")
        keys = [None if index % 10 == 0 else b"k" for index in range(100)]
        part = produced(peer, "keyed", version, records=[(key, NOW_MS) for key in keys])
        assert part.error_code == ErrorCode.INVALID_RECORD
        assert part.base_offset == -1
        assert [error.batch_index for error in part.record_errors] == list(range(0, 100, 10))
        assert {error.batch_index_error_message for error in part.record_errors} == {"no key"}
        assert part.error_message == "a compacted topic cannot accept records without a key"

        part = produced(peer, "keyed", version, records=[(b"k", NOW_MS)])
        assert (part.error_code, part.base_offset, part.record_errors) == (0, 0, ())


def test_a_bad_timestamp_decides_the_error(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path) as broker, Peer(broker.port) as peer:
        created(peer, "both", cleanup_policy="compact", message_timestamp_before_max_ms=str(DAY_MS))
        records = [(b"k", NOW_MS), (None, NOW_MS), (b"k", NOW_MS - 2 * DAY_MS)]
        part = produced(peer, "both", 9, records=records)
        assert part.error_code == ErrorCode.INVALID_TIMESTAMP
        assert [(e.batch_index, e.batch_index_error_message) for e in part.record_errors] == [
            (1, "no key"),
            (2, "timestamp out of range"),
        ]


def test_old_versions_have_only_the_error(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path) as broker, Peer(broker.port) as peer:
        created(peer, "keyed", cleanup_policy="compact")
        part = produced(peer, "keyed", 7, records=[(None, NOW_MS), (None, NOW_MS)])
        assert part.error_code == ErrorCode.INVALID_RECORD
