"""Compaction here and by Apache Kafka's cleaner: the same load, the same settings, the same left.

Both brokers run at once, are given the same, and compact until nothing is dirty:

* `staged` gets batches that are built here, byte for byte the same. Segments roll by the times of
  the records, or are full, so that they begin at the same offsets in both; and
  `min.compaction.lag.ms` is lowered stage by stage, so that each pass has the same dirty range in
  both, whenever a cleaner wakes up. So batches are held against each other, with all that is in
  them but the moment of a delete horizon and what codecs make of the same records.
* `beside` is compacted while librdkafka produces to it. Batches, segments and passes are then each
  broker's own. But a gap in time ends the last sealed segment at the same offset in both, and null
  values outlive the test, so below that offset the last record of each key is left, whatever was
  compacted when: records are held against each other, not batches.
"""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from interop.kafka_load import (
    CODECS,
    TIMEOUT_SECONDS,
    Seen,
    create_topics,
    ends_of,
    messages,
    quiet,
    seen_of,
)
from meghna import codecs
from meghna._native import batch
from meghna.errors import ErrorCode
from meghna.protocol import messages as protocol
from support.broker import BrokerProcess
from support.frames import PRODUCE, PRODUCE_VERSION, Peer
from support.kafka import KafkaProcess, missing, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

SETTINGS = ["log.cleaner.backoff.ms=100", "log.cleaner.dedupe.buffer.size=8388608"]
# Kafka's cleaner deletes by age what is compacted, too; here it is retention that does.
OURS_ALONE = ["log.initial.task.delay.ms=100", "log.retention.check.interval.ms=100"]
CLEANER_TIMEOUT_SECONDS = 60.0
HORIZON = 0x40
INCREMENTAL_ALTER_CONFIGS, TOPIC_RESOURCE, SET = 44, 2, 0
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

STAGES = 4
# Of each stage when the load begins: the test may take an hour.
AGES_MS = [(2 * (STAGES - i) + 1) * HOUR_MS for i in range(STAGES)]
# How long the null values stay that a stage's own pass meets: then until the next one, or for good.
DELETE_RETENTIONS_MS = [0, 0, DAY_MS, DAY_MS]
RETENTION_MS = AGES_MS[0] - HOUR_MS  # the first stage is too old for it
SEGMENT_SIZE_MAX = 1 << 20  # as small as Kafka lets it be
SEGMENTS = {"segment.bytes": str(SEGMENT_SIZE_MAX), "segment.ms": "60000"}
COMPACT = {"cleanup.policy": "compact"}
TOPICS = {
    "staged": {
        **SEGMENTS,
        **COMPACT,
        "min.cleanable.dirty.ratio": "0.01",
        "min.compaction.lag.ms": str(DAY_MS),
    },
    "beside": {
        **SEGMENTS,
        **COMPACT,
        "min.cleanable.dirty.ratio": "0",  # be the last sealed segment ever so small
        "delete.retention.ms": str(DAY_MS),
    },
    "keyed": COMPACT,
    "keyed-and-deleted": {"cleanup.policy": "compact,delete"},
}

# ---- The two, and what is done to both ----


class Side(NamedTuple):
    name: str
    process: BrokerProcess | KafkaProcess

    @property
    def bootstrap(self) -> str:
        return self.process.bootstrap

    def path(self, topic: str) -> Path:
        return self.process.data / f"{topic}-0"

    def cleaned_up_to(self, topic: str) -> int:
        checkpoint = self.process.data / "cleaner-offset-checkpoint"
        text = checkpoint.read_text() if checkpoint.exists() else ""
        found = re.search(rf"^{topic} 0 (\d+)$", text, re.MULTILINE)
        return int(found.group(1)) if found else 0

    def wait_cleaned(self, topic: str, offset: int) -> None:
        deadline = time.monotonic() + CLEANER_TIMEOUT_SECONDS
        while (reached := self.cleaned_up_to(topic)) < offset:
            assert time.monotonic() < deadline, f"{self.name}: {reached} of {offset}"
            time.sleep(0.05)

    def wait_deleted(self, topic: str, below: int) -> None:
        """Also the files: the first that is left begins there."""
        deadline = time.monotonic() + CLEANER_TIMEOUT_SECONDS
        while (
            ends_of(self.bootstrap, topic, 0)[0] < below
            or min(int(file.stem) for file in self.path(topic).glob("*.log")) < below
        ):
            assert time.monotonic() < deadline, f"{self.name}: what is too old stays"
            time.sleep(0.05)

    def configure(self, topic: str, **settings: str) -> None:
        """All at once: no pass sees some of them alone."""
        configs = [
            protocol.IncrementalAlterConfigsRequestAlterableConfig(
                name.replace("_", "."), SET, value
            )
            for name, value in settings.items()
        ]
        resource = protocol.IncrementalAlterConfigsRequestAlterConfigsResource(
            TOPIC_RESOURCE, topic, configs
        )
        request = protocol.IncrementalAlterConfigsRequest(resources=[resource])
        with Peer(self.process.port) as peer:
            answer = peer.call(INCREMENTAL_ALTER_CONFIGS, 1, request)
        assert isinstance(answer, protocol.IncrementalAlterConfigsResponse)
        assert [each.error_code for each in answer.responses] == [0], answer


class Both(NamedTuple):
    """The same partition, here and there."""

    ours: State
    kafka: State


def sent(peer: Peer, topic: str, data: bytes) -> protocol.PartitionProduceResponse:
    part = protocol.PartitionProduceData(index=0, records=data)
    request = protocol.ProduceRequest(
        acks=-1,
        timeout_ms=30_000,
        topic_data=[protocol.TopicProduceData(name=topic, partition_data=[part])],
    )
    answer = peer.call(PRODUCE, PRODUCE_VERSION, request)
    assert isinstance(answer, protocol.ProduceResponse)
    return answer.responses[0].partition_responses[0]


# ---- Batches in stages ----

Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int]


def built(records: list[Record], codec: int, **header: int) -> bytes:
    return batch.build(
        records,
        attributes=codec,
        compress=(lambda plain: codecs.compress(codec, plain)) if codec else None,
        **header,
    )


@dataclass
class Stages:
    """Batches of every codec, of idempotent producers and of none."""

    now_ms: int
    rng: random.Random = field(default_factory=lambda: random.Random(5))
    sequences: dict[int, int] = field(default_factory=dict)
    count: int = 0
    """Records so far."""

    def batches(self, stage: int) -> Iterator[bytes]:
        """Seven seconds from one to the next: nine are a segment; then many at one moment: those
        segments are full."""
        begin_ms = self.now_ms - AGES_MS[stage]
        for i in range(80):
            yield self._batch(stage, i, begin_ms + min(i, 40) * 7000)
        if stage == 0:
            yield from self._wall(begin_ms + 600_000)

    def _batch(self, stage: int, number: int, timestamp: int) -> bytes:
        rng = self.rng
        # One is of this stage alone: it may be emptied and must stay, for its sequence.
        producer_id = 100 + stage if number == 3 else rng.choice((-1, 5, 6, 7))
        records: list[Record] = []
        for i in range(rng.choice((1, 2, 10, 40, 80))):
            key = b"hot-%d" % rng.randrange(30) if number == 3 else self._key(self.count + i)
            value = None if rng.random() < 0.15 else rng.randbytes(rng.randrange(900)) + b"a" * 200
            headers = [("trace", rng.randbytes(4)), ("none", None)][: rng.randrange(3)]
            records.append((key, value, headers, timestamp + i % 5))
        self.count += len(records)
        codec = rng.choice(list(CODECS.values()))
        if producer_id < 0:
            return built(records, codec)
        sequence = self.sequences.get(producer_id, 0)
        self.sequences[producer_id] = sequence + len(records)
        return built(
            records, codec, producer_id=producer_id, producer_epoch=3, base_sequence=sequence
        )

    def _key(self, offset: int) -> bytes:
        dice = self.rng.random()
        if dice < 0.5:
            return b"hot-%d" % self.rng.randrange(30)
        if dice < 0.52:
            return b""
        if dice < 0.8:
            return b"warm-%d" % self.rng.randrange(600)
        return b"once-%d-%s" % (offset, b"k" * self.rng.randrange(60))

    def _wall(self, timestamp: int) -> Iterator[bytes]:
        """A segment that is full and stays so, and some more: no pass puts what comes before and
        after into one segment, so that the one can be too old without the other."""
        for i in range(SEGMENT_SIZE_MAX * 6 // 5 // 8000):
            self.count += 1
            yield built([(b"wall-%d" % i, self.rng.randbytes(8000), [], timestamp)], 0)


def send_stages(sides: Sequence[Side], now_ms: int) -> list[int]:
    """The offset at which each stage ends."""
    stages = Stages(now_ms)
    ends = []
    with Peer(sides[0].process.port) as ours, Peer(sides[1].process.port) as kafka:
        for stage in range(STAGES):
            for data in stages.batches(stage):
                offset = stages.count - batch.header(data).record_count
                for peer in (ours, kafka):
                    answer = sent(peer, "staged", data)
                    assert (answer.error_code, answer.base_offset) == (0, offset), answer
            ends.append(stages.count)
        last = built([(b"hot-1", b"in the active segment", [], now_ms)], 0)
        for peer in (ours, kafka):
            assert sent(peer, "staged", last).base_offset == stages.count
    return ends


# ---- A producer beside the cleaner ----


def produce_beside(side: Side, now_ms: int) -> list[tuple[int, bytes, bytes | None]]:
    """What was sent, with its offsets; the last record is alone in its segment."""
    rng = random.Random(8)
    records: list[tuple[int, bytes, bytes | None]] = []
    for codec in CODECS:
        producer = Producer(
            quiet(side.bootstrap, compression_type=codec, enable_idempotence=True, linger_ms=2)
        )
        for i in range(1500):
            key = b"%d" % rng.choice((rng.randrange(40), rng.randrange(4000)))
            value = None if rng.random() < 0.1 else rng.randbytes(300) + b"b" * 300
            moment = now_ms - 8 * HOUR_MS + len(records) * 400
            producer.produce("beside", value, key, timestamp=moment, headers=[("codec", codec)])
            records.append((len(records), key, value))
            if i % 300 == 0:
                assert producer.flush(TIMEOUT_SECONDS) == 0
        assert producer.flush(TIMEOUT_SECONDS) == 0
        side.wait_cleaned("beside", len(records) // 4)
    producer.produce("beside", b"in the active segment", b"1", timestamp=now_ms)
    assert producer.flush(TIMEOUT_SECONDS) == 0
    return [*records, (len(records), b"1", b"in the active segment")]


# ---- What is left ----


class Batch(NamedTuple):
    header: tuple[int, ...]
    crc: int | None
    """Not of what a codec or a moment decides about."""
    records: list[batch.Record]


class State(NamedTuple):
    """A partition, when nothing of it is dirty."""

    ends: tuple[int, int, int]
    records: list[Seen]
    segments: dict[int, list[Batch]]
    """By their base offsets."""
    from_middle: dict[int, list[Seen]]
    """What a consumer gets that begins there."""
    by_time: dict[int, int]
    """The offset that is found for a timestamp."""

    @property
    def batches(self) -> list[Batch]:
        return [each for segment in self.segments.values() for each in segment]


def batch_of(data: memoryview) -> Batch:
    header = batch.check(data)
    is_comparable = header.codec == 0 and not header.attributes & HORIZON
    facts = (
        header.base_offset,
        header.last_offset,
        header.max_timestamp,
        header.attributes,
        header.leader_epoch,
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        header.record_count,
    )
    records = batch.records(data, decompress=codecs.decompress)
    return Batch(facts, header.crc if is_comparable else None, records)


def read_from(side: Side, topic: str, offset: int) -> list[Seen]:
    settings = quiet(side.bootstrap, group_id="reader", enable_auto_commit=False)
    settings |= quiet(side.bootstrap, enable_partition_eof=True, auto_offset_reset="error")
    consumer = Consumer({**settings, "fetch.wait.max.ms": 10})
    try:
        consumer.assign([TopicPartition(topic, 0, offset)])
        return [seen_of(message) for message in messages(consumer)]
    finally:
        consumer.close()


def offsets_by_time(side: Side, topic: str, times: Iterable[int]) -> dict[int, int]:
    consumer = Consumer(quiet(side.bootstrap, group_id="reader"))
    found = {}
    try:
        for timestamp in times:
            asked = [TopicPartition(topic, 0, timestamp)]
            found[timestamp] = consumer.offsets_for_times(asked, TIMEOUT_SECONDS)[0].offset
    finally:
        consumer.close()
    return found


def state_of(side: Side, topic: str, middles: Sequence[int]) -> State:
    ends = ends_of(side.bootstrap, topic, 0)
    records = read_from(side, topic, ends[0])
    segments = {
        int(file.stem): [batch_of(data) for data in batch.split(file.read_bytes())]
        for file in sorted(side.path(topic).glob("*.log"))
    }
    return State(
        ends,
        records,
        segments,
        {middle: read_from(side, topic, middle) for middle in middles},
        offsets_by_time(side, topic, (record.timestamp[1] for record in records[::50])),
    )


def first_young_segment(state: State, timestamp: int) -> int:
    return next(
        base
        for base, batches in state.segments.items()
        if any(each.header[2] >= timestamp for each in batches)
    )


def both_of(sides: Sequence[Side], topic: str, middles: Sequence[int]) -> Both:
    ours, kafka = (state_of(side, topic, middles) for side in sides)
    return Both(ours, kafka)


class Found(NamedTuple):
    paths: dict[str, Path]
    """Our directories, after a clean stop."""
    whole: list[Seen]
    """`staged` before it was compacted."""
    stage_ends: list[int]
    passes: list[Both]
    """`staged` after each."""
    retained: Both
    """`staged` after what is too old was deleted."""
    sent_beside: list[tuple[int, bytes, bytes | None]]
    beside: Both
    refused: dict[tuple[str, str], list[protocol.PartitionProduceResponse]]
    emptied: Both
    """`keyed`, of which every batch was refused."""


def pass_by_pass(sides: Sequence[Side], ends: list[int]) -> Iterator[Both]:
    for stage, end in enumerate(ends):
        for side in sides:
            side.configure(
                "staged",
                min_compaction_lag_ms=str(AGES_MS[stage] - HOUR_MS),
                delete_retention_ms=str(DELETE_RETENTIONS_MS[stage]),
            )
        for side in sides:
            side.wait_cleaned("staged", end)
        yield both_of(sides, "staged", (ends[0] // 2, ends[0] // 2 + 1, end - 1, end))
        assert [side.cleaned_up_to("staged") for side in sides] == [end, end]


def send_without_keys(
    sides: Sequence[Side], now_ms: int
) -> dict[tuple[str, str], list[protocol.PartitionProduceResponse]]:
    keys = [b"a", None, b"b", b"c", None, None, b"", b"d"]
    answers: dict[tuple[str, str], list[protocol.PartitionProduceResponse]] = {}
    for side in sides:
        with Peer(side.process.port) as peer:
            for topic in ("keyed", "keyed-and-deleted"):
                for name, codec in CODECS.items():
                    data = built([(key, b"v", [], now_ms) for key in keys], codec)
                    answers.setdefault((topic, name), []).append(sent(peer, topic, data))
    return answers


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    root = tmp_path_factory.mktemp("cleaners")
    options = [argument for each in (*SETTINGS, *OURS_ALONE) for argument in ("--set", each)]
    now_ms = time.time_ns() // 1_000_000
    with (
        KafkaProcess(root / "kafka", settings=SETTINGS) as kafka,
        BrokerProcess(root, options=options) as ours,
    ):
        sides = (Side("ours", ours), Side("kafka", kafka))
        for side in sides:
            create_topics(side.bootstrap, {name: (1, of) for name, of in TOPICS.items()})
            for topic in TOPICS:
                ends_of(side.bootstrap, topic, 0)  # waits until there is a leader
        refused = send_without_keys(sides, now_ms)
        emptied = both_of(sides, "keyed", ())
        stage_ends = send_stages(sides, now_ms)
        whole = read_from(sides[1], "staged", 0)
        passes = list(pass_by_pass(sides, stage_ends))
        for side, state in zip(sides, passes[-1], strict=True):
            settings = {"cleanup_policy": "compact,delete", "retention_ms": str(RETENTION_MS)}
            side.configure("staged", **settings)
            side.wait_deleted("staged", first_young_segment(state, now_ms - RETENTION_MS))
        retained = both_of(sides, "staged", stage_ends)
        sent_beside, sent_again = [produce_beside(side, now_ms) for side in sides]
        assert sent_beside == sent_again
        end = len(sent_beside) - 1
        for side in sides:
            side.wait_cleaned("beside", end)
        beside = both_of(sides, "beside", (1, end // 2, end - 1, end))
        kafka.stop()
        ours.stop()
        paths = {topic: sides[0].path(topic) for topic in TOPICS}
    return Found(paths, whole, stage_ends, passes, retained, sent_beside, beside, refused, emptied)


# ---- Held against each other ----


def check_same(both: Both) -> None:
    """For who asks and who reads."""
    ours, kafka = both
    assert ours.ends == kafka.ends
    assert ours.records == kafka.records
    assert ours.from_middle == kafka.from_middle
    assert ours.by_time == kafka.by_time
    for state in both:
        offsets = [record.offset for record in state.records]
        assert offsets == sorted(set(offsets))
        assert state.ends[0] <= offsets[0] <= offsets[-1] == state.ends[2] - 1
        for middle, records in state.from_middle.items():
            assert records == [record for record in state.records if record.offset >= middle]
        for timestamp, offset in state.by_time.items():
            late = (each.offset for each in state.records if each.timestamp[1] >= timestamp)
            assert offset == next(late)
        reach = -1
        for base, last, *_ in (each.header for each in state.batches):
            assert reach < base <= last
            reach = last


def expected_after(found: Found, stage: int) -> list[Seen]:
    """The rules, in a few lines."""
    end = found.stage_ends[stage]
    last = {record.key: record.offset for record in found.whole if record.offset < end}

    def stays(record: Seen) -> bool:
        if record.offset >= end:
            return True
        if last[record.key] != record.offset:
            return False
        own = next(i for i, stop in enumerate(found.stage_ends) if record.offset < stop)
        return record.value is not None or own == stage or DELETE_RETENTIONS_MS[own] > 0

    return [record for record in found.whole if stays(record)]


@pytest.mark.parametrize("stage", range(STAGES))
def test_a_pass_leaves_the_same_as_kafkas(found: Found, stage: int) -> None:
    both = found.passes[stage]
    check_same(both)
    assert both.ours.records == expected_after(found, stage)
    # Where Kafka keeps none, an emptied batch is kept at the end of what several segments became,
    # and says how far that reaches to a start after a crash. All else is the same.
    has_more = [each for each in both.ours.batches if each not in both.kafka.batches]
    assert all(not each.records for each in has_more)
    assert [each for each in both.ours.batches if each not in has_more] == both.kafka.batches
    if stage == 0:  # Later sizes are the codecs', and segments are put together by their sizes.
        assert newest_of_segments(both.ours) == newest_of_segments(both.kafka)


def newest_of_segments(state: State) -> dict[int, int]:
    """What retention looks at."""
    return {
        base: max((each.header[2] for each in batches), default=-1)
        for base, batches in state.segments.items()
    }


def test_the_load_has_what_the_rules_are_about(found: Found) -> None:
    first, last = found.passes[0].kafka, found.passes[-1].kafka
    assert len(last.records) < len(first.records) < len(found.whole)
    assert any(record.value is None for record in last.records)
    assert any(each.header[3] & HORIZON for each in last.batches)
    assert any(not each.records for each in last.batches)
    whole_codecs = {each.header[3] & 7 for each in last.batches if each.records}
    assert whole_codecs == set(CODECS.values())
    assert len(first.segments) > len(last.segments) > 2


def test_what_is_too_old_goes_as_from_kafka(found: Found) -> None:
    check_same(found.retained)
    start = found.retained.ours.ends[0]
    assert 0 < start < found.stage_ends[0]
    assert next(iter(found.retained.ours.segments)) == start
    kept = [record for record in found.passes[-1].ours.records if record.offset >= start]
    assert found.retained.ours.records == kept


def test_a_topic_that_is_produced_to_ends_the_same(found: Found) -> None:
    check_same(found.beside)
    *compacted, active = found.sent_beside
    last = {key: offset for offset, key, _ in compacted}
    expected = [each for each in compacted if last[each[1]] == each[0]]
    seen = [(offset, key, value) for offset, key, value, *_ in found.beside.ours.records]
    assert seen == [*expected, active]


@pytest.mark.parametrize("topic", ["keyed", "keyed-and-deleted"])
@pytest.mark.parametrize("codec", CODECS)
def test_records_without_keys_are_refused_alike(found: Found, topic: str, codec: str) -> None:
    for answer in found.refused[topic, codec]:
        assert (answer.error_code, answer.base_offset) == (ErrorCode.INVALID_RECORD, -1)
        assert [error.batch_index for error in answer.record_errors] == [1, 4, 5]
    for state in found.emptied:
        assert state.ends == (0, 0, 0)
        assert state.batches == []


@pytest.mark.parametrize("topic", ["staged", "beside"])
def test_kafkas_tool_finds_no_fault_with_what_we_compacted(found: Found, topic: str) -> None:
    path = found.paths[topic]
    logs = ",".join(str(file) for file in sorted(path.glob("*.log")))
    tool = "org.apache.kafka.tools.DumpLogSegments"
    text = run_tool(tool, "--files", logs, "--deep-iteration", "--skip-record-metadata")
    assert not re.search(r"invalid|corrupt|mismatch|isvalid: false|exception", text, re.IGNORECASE)
    state = found.retained.ours if topic == "staged" else found.beside.ours
    told = re.findall(r"baseOffset: (\d+) lastOffset: (\d+) count: (\d+)", text)
    assert [(int(base), int(last), int(count)) for base, last, count in told] == [
        (each.header[0], each.header[1], len(each.records)) for each in state.batches
    ]
    indexes = [*sorted(path.glob("*.index")), *sorted(path.glob("*.timeindex"))]
    names = ",".join(str(file) for file in indexes)
    text = run_tool(tool, "--files", names, "--verify-index-only")
    # It misses the records of emptied batches; so it does where Kafka itself left such batches.
    kafka = found.retained.kafka if topic == "staged" else found.beside.kafka
    of_emptied = {each.header[2] for each in kafka.batches if not each.records}
    faults = [
        line
        for line in text.splitlines()
        if line.strip()
        and not re.match(r"Dumping |SLF4J|.* is empty\.$|Found timestamp mismatch in ", line)
        and not is_of(of_emptied, line)
    ]
    assert not faults


def is_of(times: set[int], line: str) -> bool:
    found = re.match(r"  Index timestamp: (\d+), log timestamp: -1$", line)
    return found is not None and int(found.group(1)) in times
