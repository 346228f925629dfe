"""Which records of a refused batch Produce names, so that a client can send the rest again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from meghna import codecs
from meghna._native import batch
from meghna.errors import ErrorCode
from meghna.protocol import messages, wire
from support.broker import BrokerProcess
from support.frames import CREATE_TOPICS, PRODUCE, Peer

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def request_of(topic: str, data: bytes) -> messages.ProduceRequest:
    part = messages.PartitionProduceData(index=0, records=data)
    return messages.ProduceRequest(
        acks=1,
        timeout_ms=1000,
        topic_data=[messages.TopicProduceData(name=topic, partition_data=[part])],
    )


def sent(peer: Peer, topic: str, version: int, data: bytes) -> messages.PartitionProduceResponse:
    answer = peer.call(PRODUCE, version, request_of(topic, data))
    assert isinstance(answer, messages.ProduceResponse)
    return answer.responses[0].partition_responses[0]


def produced(
    peer: Peer, topic: str, version: int, *, records: list[tuple[bytes | None, int]]
) -> messages.PartitionProduceResponse:
    data = batch.build([(key, b"v", (), timestamp) for key, timestamp in records])
    return sent(peer, topic, version, data)


def closed(keys: list[bytes | None], codec: int, value: bytes = b"v", **header: int) -> bytes:
    return batch.build(
        [(key, value, (), NOW_MS) for key in keys],
        attributes=codec,
        compress=(lambda plain: codecs.compress(codec, plain)) if codec else None,
        **header,
    )


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("refused")) as process:
        yield process


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


@pytest.mark.parametrize("codec", [codec for codec in codecs.Codec if codec])
def test_keys_are_wanted_of_compressed_records(broker: BrokerProcess, codec: codecs.Codec) -> None:
    name = f"closed-{codec.name.lower()}"
    with Peer(broker.port) as peer:
        created(peer, name, cleanup_policy="compact")
        assert sent(peer, name, 9, closed([b"k", b"l"], codec)).base_offset == 0
        part = sent(peer, name, 9, closed([b"k", None, b"l", None], codec))
        assert (part.error_code, part.base_offset) == (ErrorCode.INVALID_RECORD, -1)
        assert part.log_start_offset == 0
        assert [(e.batch_index, e.batch_index_error_message) for e in part.record_errors] == [
            (1, "no key"),
            (3, "no key"),
        ]
        assert sent(peer, name, 9, closed([b"k"], codec)).base_offset == 2

        damaged = batch.build(
            [(b"k", b"v", (), NOW_MS)], attributes=codec, compress=lambda _: b"nothing of the kind"
        )
        part = sent(peer, name, 9, damaged)
        assert part.error_code == ErrorCode.INVALID_RECORD
        assert part.error_message == "the records cannot be decompressed"


def test_records_that_open_to_too_much_are_refused(broker: BrokerProcess) -> None:
    with Peer(broker.port) as peer:
        created(peer, "bombs", cleanup_policy="compact")
        bomb = closed([b"k"], codecs.Codec.ZSTD, bytes(codecs.OPENED_SIZE_MAX))
        assert len(bomb) < 10_000
        part = sent(peer, "bombs", 9, bomb)
        assert part.error_code == ErrorCode.MESSAGE_TOO_LARGE
        assert part.error_message == "the records open to more than 64 MiB"


def test_of_a_multitude_the_first_are_named(broker: BrokerProcess) -> None:
    with Peer(broker.port) as peer:
        created(peer, "multitude", cleanup_policy="compact")
        part = sent(peer, "multitude", 9, closed([None] * 100_000, codecs.Codec.ZSTD, b""))
        assert part.error_code == ErrorCode.INVALID_RECORD
        assert [error.batch_index for error in part.record_errors] == list(range(1000))


def test_no_batch_overtakes_one_that_is_being_opened(broker: BrokerProcess) -> None:
    large = b"v" * 1_000_000  # takes a while to open
    with Peer(broker.port) as peer:
        created(peer, "in-order", cleanup_policy="compact")
        for sequence in range(60):
            codec = codecs.Codec.GZIP if sequence % 3 == 0 else codecs.Codec.NONE
            data = closed(
                [b"k"],
                codec,
                large if codec else b"v",
                producer_id=7,
                producer_epoch=0,
                base_sequence=sequence,
            )
            peer.send(
                wire.encode_request(
                    PRODUCE, 9, request_of("in-order", data), correlation_id=1, client_id="t"
                )
            )
        for sequence in range(60):
            answer = wire.decode_response(PRODUCE, 9, peer.reply()[4:])
            assert isinstance(answer, messages.ProduceResponse)
            part = answer.responses[0].partition_responses[0]
            assert (part.error_code, part.base_offset) == (0, sequence)


def test_a_broker_that_opens_batches_stops_when_told(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path) as broker, Peer(broker.port) as peer:
        created(peer, "busy", cleanup_policy="compact")
        data = closed([b"k"], codecs.Codec.GZIP, bytes(codecs.OPENED_SIZE_MAX - 100))
        frame = wire.encode_request(
            PRODUCE, 9, request_of("busy", data), correlation_id=1, client_id="t"
        )
        for _ in range(5):
            peer.send(frame)
        assert broker.stop() == 0
