"""What docs/DIFFERENCES.md says is done otherwise than by Kafka, where no other test holds it."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meghna._native import batch
from meghna.errors import ErrorCode
from meghna.protocol import messages
from support.broker import BrokerProcess
from support.frames import CREATE_TOPICS, FETCH, PRODUCE, Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
INT32_MAX = 2**31 - 1
GZIP = 1


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("differences")) as process:
        yield process


@pytest.fixture
def peer(broker: BrokerProcess) -> Iterator[Peer]:
    with Peer(broker.port) as made:
        yield made


def produced(
    peer: Peer, topic: str, *batches: bytes | None
) -> list[messages.PartitionProduceResponse]:
    parts = [messages.PartitionProduceData(index=0, records=each) for each in batches]
    request = messages.ProduceRequest(
        acks=1,
        timeout_ms=1000,
        topic_data=[messages.TopicProduceData(name=topic, partition_data=parts)],
    )
    answer = peer.call(PRODUCE, 9, request)
    assert isinstance(answer, messages.ProduceResponse)
    return [part for told in answer.responses for part in told.partition_responses]


def fetched(
    peer: Peer, topic: str, *, session_id: int = 0, session_epoch: int = -1
) -> messages.FetchResponse:
    part = messages.FetchRequestFetchPartition(
        partition=0, fetch_offset=0, partition_max_bytes=1 << 20
    )
    request = messages.FetchRequest(
        max_bytes=1 << 20,
        session_id=session_id,
        session_epoch=session_epoch,
        topics=[messages.FetchRequestFetchTopic(topic=topic, partitions=[part])],
    )
    answer = peer.call(FETCH, 12, request)
    assert isinstance(answer, messages.FetchResponse)
    return answer


def one_record(value: bytes, *, attributes: int = 0) -> bytes:
    """A batch whose records are not compressed, whatever its attributes say."""
    return batch.build(
        [(None, value, (), 1_700_000_000_000)],
        attributes=attributes,
        compress=bytes if attributes else None,
    )


def test_a_partition_named_twice_is_served_twice(peer: Peer) -> None:
    peer.create_topic("twice", partitions=1)
    told = produced(peer, "twice", one_record(b"a"), one_record(b"b"))
    assert [(part.error_code, part.base_offset) for part in told] == [(0, 0), (0, 1)]


def test_a_compressed_batch_is_kept_unopened(peer: Peer) -> None:
    peer.create_topic("closed", partitions=1)
    sealed = batch.build(
        [(None, b"v", (), 1_700_000_000_000)], attributes=GZIP, compress=lambda _: b"not gzip"
    )
    (told,) = produced(peer, "closed", sealed)
    assert (told.error_code, told.base_offset) == (0, 0)
    records = fetched(peer, "closed").responses[0].partitions[0].records
    assert records is not None
    assert bytes(records[61:]) == b"not gzip"


def test_what_kafka_trips_over_has_an_answer(peer: Peer) -> None:
    peer.create_topic("fine", partitions=1)
    (null,) = produced(peer, "fine", None)
    assert null.error_code == ErrorCode.INVALID_RECORD
    (codec,) = produced(peer, "fine", one_record(b"v", attributes=7))
    assert codec.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    long = bytearray(one_record(b"v"))
    long[8:12] = struct.pack(">i", INT32_MAX)
    (length,) = produced(peer, "fine", bytes(long))
    assert length.error_code == ErrorCode.CORRUPT_MESSAGE
    for session in (INT32_MAX, -(2**31)):
        answer = fetched(peer, "fine", session_id=session, session_epoch=1)
        assert answer.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        assert fetched(peer, "fine", session_id=session, session_epoch=0).error_code == 0


def test_more_partitions_than_a_number_holds_are_too_many(peer: Peer) -> None:
    topics = [
        messages.CreatableTopic(name=name, num_partitions=INT32_MAX, replication_factor=1)
        for name in ("many", "more")
    ]
    answer = peer.call(CREATE_TOPICS, 5, messages.CreateTopicsRequest(topics=topics))
    assert isinstance(answer, messages.CreateTopicsResponse)
    assert {topic.error_code for topic in answer.topics} == {ErrorCode.POLICY_VIOLATION}


def test_a_topic_that_is_only_checked_has_no_id(peer: Peer) -> None:
    topic = messages.CreatableTopic(name="checked", num_partitions=1, replication_factor=1)
    request = messages.CreateTopicsRequest(topics=[topic], validate_only=True)
    answer = peer.call(CREATE_TOPICS, 7, request)
    assert isinstance(answer, messages.CreateTopicsResponse)
    assert [(told.error_code, told.topic_id) for told in answer.topics] == [(0, bytes(16))]


def test_every_difference_names_a_test_that_exists() -> None:
    rows = re.findall(
        r"^\|.*\| ([^|]*`[^|]*) \|$", (ROOT / "docs" / "DIFFERENCES.md").read_text(), re.M
    )
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(rows) > 5
    tests = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("native/tests/**/*.c")]
    text = "\n".join(path.read_text() for path in tests)
    missing = [name for name in names if not re.search(rf"(?:def|void) {name}\(", text)]
    assert missing == []
