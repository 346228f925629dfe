"""A topic answers as its model does: lists of rows in plain Python.

Random appends in every form, reads by offset and time, scans, retention, crashes, reopening.
MEGHNA_MODEL_EXAMPLES and MEGHNA_MODEL_STEPS make the search longer (make soak); what fails is
printed as a program and kept in .hypothesis, so that the next run begins with it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kafka.partitioner.default import murmur2

import meghna
from engine.forms import FORMS, Given, Headers, Row
from meghna.errors import NotFoundError, OutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.forms import Form

EXAMPLES = int(os.environ.get("MEGHNA_MODEL_EXAMPLES", "100"))
STEPS = int(os.environ.get("MEGHNA_MODEL_STEPS", "40"))

# Without explanations, which take minutes for a machine of so many rules.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]

START_MS = 1_700_000_000_000
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
COLUMNS = ["offset", "timestamp", "key", "value", "headers", "partition"]
SEGMENT_AGE_MS = 3_000
SETTINGS = {
    "segment.ms": SEGMENT_AGE_MS,  # of records: late ones seal the segment
    "segment.bytes": 1024 * 1024,
    "index.interval.bytes": 100,
    "compression.zstd.level": 1,
}
BLOB_SIZE = 300_000  # four of them seal a segment


@dataclass
class TestClock:
    __test__ = False

    time_ms: int = START_MS

    def now_ms(self) -> int:
        return self.time_ms

    def monotonic_ms(self) -> int:
        return self.time_ms


@dataclass
class PartitionModel:
    rows: list[Row] = field(default_factory=list)
    """By offset; what retention deleted is still here."""
    start: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    """The last position of each producer."""

    def records(self, first: int, last: int) -> list[tuple[int, Row]]:
        return list(enumerate(self.rows))[max(first, self.start) : last]


@dataclass
class TopicModel:
    partitions: list[PartitionModel]
    retention_ms: int | None = None
    retention_size: int | None = None


# --- what is drawn ----------------------------------------------------------------------------

small = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"", b"\0", b"0123456789ab", b"0123456789abc", b"x" * 200, b"\xff\0" * 60]),
)
headers: st.SearchStrategy[Headers] = st.lists(
    st.tuples(st.text(st.characters(codec="utf-8"), max_size=14), st.none() | small),
    max_size=2,
    unique_by=lambda pair: pair[0],
).map(tuple)
stamps = st.none() | st.integers(START_MS - 20_000, START_MS + 60_000)
row_lists = st.lists(
    st.builds(Row, st.none() | small, st.none() | small, headers, stamps), min_size=1, max_size=12
)
offsets = st.integers(-25, 120)
moments = st.integers(START_MS - 21_000, START_MS + 61_000)
indexes = st.integers(0, 3)

ROOT: list[Path] = []


def moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms // 1000, UTC) + timedelta(milliseconds=time_ms % 1000)


def row_of(record: meghna.Record) -> Row:
    return Row(record.key, record.value, record.headers, record.timestamp)


def table_rows(table: pa.Table) -> list[dict[str, Any]]:
    """A scan's rows as Python objects, times in milliseconds, headers as pairs."""
    names = table.schema.names
    if "timestamp" in names:
        place = names.index("timestamp")
        table = table.set_column(place, "timestamp", table["timestamp"].cast(pa.int64()))
    found: list[dict[str, Any]] = table.to_pylist()
    for each in found:
        if "headers" in each:
            each["headers"] = tuple((pair["key"], pair["value"]) for pair in each["headers"])
    return found


def expected_row(partition: int, offset: int, row: Row, columns: Iterable[str]) -> dict[str, Any]:
    whole = {"offset": offset, "partition": partition, **row._asdict()}
    return {name: whole[name] for name in columns}


class TopicMachine(RuleBasedStateMachine):
    """A data directory with a topic that is tried and one that rows are taken over from."""

    @initialize(partitions=st.integers(1, 3), codec=st.sampled_from(CODECS))
    def make(self, partitions: int, codec: str) -> None:
        self.root = ROOT[0]
        shutil.rmtree(self.root, ignore_errors=True)
        self.generation = 0
        self.clock = TestClock()
        self.kept: list[tuple[pa.Table, list[dict[str, Any]]]] = []
        self.log = self.opened()
        self.partition_count = partitions
        self.create(codec)

    def create(self, codec: str) -> None:
        self.topic = self.log.topic(
            "t", create=True, partitions=self.partition_count, compression=codec, settings=SETTINGS
        )
        self.model = TopicModel([PartitionModel() for _ in range(self.partition_count)])

    def opened(self) -> meghna.Log:
        return meghna.open(self.root / f"data{self.generation}", clock=self.clock)

    # --- appending ---

    def arrived(self, done: meghna.Appended, rows: list[Row], partition: int | None) -> None:
        """Take what an append answered into the model; every row where Kafka would put it."""
        rows = [
            row._replace(timestamp=self.clock.time_ms if row.timestamp is None else row.timestamp)
            for row in rows
        ]
        assert done.count == len(rows)
        count = len(self.model.partitions)
        spans = {span.partition: span for span in done.spans}
        hashed = [
            None if row.key is None else (murmur2(row.key) & 0x7FFFFFFF) % count for row in rows
        ]
        # Rows without a key lie together, in a partition that the log chose.
        more = [i for i, span in spans.items() if span.count > hashed.count(i)]
        sticky = more[0] if more else -1
        homes = [sticky if home is None else home for home in hashed]
        if partition is not None:
            homes = [partition] * len(rows)
        assert set(homes) == set(spans)
        for index, span in spans.items():
            model = self.model.partitions[index]
            mine = [row for row, home in zip(rows, homes, strict=True) if home == index]
            assert (span.first_offset, span.count) == (len(model.rows), len(mine))
            model.rows += mine
            assert span.last_offset == len(model.rows) - 1
        self.settle()

    @rule(
        form=st.sampled_from(FORMS),
        rows=row_lists,
        partition=st.none() | indexes,
        flush=st.sampled_from(["none", "none", "group", "each"]),
    )
    def append_many(self, form: Form, rows: list[Row], partition: int | None, flush: str) -> None:
        given = form(rows)
        self.append_given(given, partition, flush)

    def append_given(self, given: Given, partition: int | None, flush: str) -> None:
        if partition is not None:
            partition %= self.partition_count
        done = self.topic.append_many(given.rows, **given.beside, partition=partition, flush=flush)
        self.arrived(done, given.expected, partition)
        assert done.is_durable or flush == "none"

    @rule(rows=row_lists, kind=st.sampled_from(["tuples", "scan", "records", "copy"]))
    def append_what_another_topic_has(self, rows: list[Row], kind: str) -> None:
        """Record by record, as a scan, as a list of records, as plain columns."""
        codec = CODECS[len(rows) % len(CODECS)]
        name = f"other-{codec}-{self.generation}"
        other = self.log.topic(name, create=True, compression=codec)
        start = other.partitions[0].end
        for row in rows:
            other.append(
                row.value, key=row.key, headers=row.headers or None, timestamp=row.timestamp
            )
        source: object = other.scan(start, max_rows=2, copy=kind == "copy")
        if kind == "records":
            source = list(other.read(start))
        elif kind == "tuples":
            source = (row_of(record) for record in other.read(start))
        now_ms = self.clock.time_ms
        rows = [r._replace(timestamp=now_ms if r.timestamp is None else r.timestamp) for r in rows]
        self.append_given(Given(source, {}, rows), None, "none")

    @rule(
        form=st.sampled_from(FORMS),
        rows=row_lists,
        name=st.sampled_from(["a", "b"]),
        position=st.integers(0, 30) | st.integers(2**31 - 5, 2**31 + 5),
    )
    def append_named(self, form: Form, rows: list[Row], name: str, position: int) -> None:
        """Whatever positions come, each partition takes those above its producer's last alone."""
        given = form(rows)
        index = position % self.partition_count
        model = self.model.partitions[index]
        last = model.positions.get(name, -1)
        new = [row for at, row in enumerate(given.expected, position) if at > last]
        done = self.topic.append_many(
            given.rows, **given.beside, producer=name, position=position, partition=index
        )
        assert done.skipped == len(given.expected) - len(new)
        self.arrived(done, new, index)
        model.positions[name] = max(last, position + len(given.expected) - 1)

    @rule(rows=row_lists, name=st.sampled_from(["c", "d"]))
    def append_twice(self, rows: list[Row], name: str) -> None:
        """The positions of one call may be spread over partitions; the same again does nothing."""
        last = self.topic.position_of(name)
        position = 0 if last is None else last + 1
        given = [tuple(row) for row in rows]
        done = self.topic.append_many(given, producer=name, position=position)
        self.arrived(done, rows, None)
        again = self.topic.append_many(given, producer=name, position=position)
        assert (again.count, again.skipped, again.spans) == (0, len(rows), ())
        assert self.topic.position_of(name) == position + len(rows) - 1

    @rule(count=st.integers(1, 4), partition=indexes)
    def append_blobs(self, count: int, partition: int) -> None:
        """Large values: batches and segments end in the middle of a call."""
        values = [bytes([number]) * BLOB_SIZE for number in range(count)]
        rows = [Row(value=value) for value in values]
        self.append_given(Given(values, {}, rows), partition, "none")

    # --- reading ---

    def everything(self) -> list[tuple[int, int, Row]]:
        return [
            (index, offset, row)
            for index, model in enumerate(self.model.partitions)
            for offset, row in model.records(0, len(model.rows))
        ]

    def check_read(
        self, expected: list[tuple[int, int, Row]], start: Any, end: Any, partition: int | None
    ) -> None:
        found = [
            (record.partition, record.offset, row_of(record))
            for record in self.topic.read(start, end, partition=partition)
        ]
        assert found == expected

    @rule()
    def read_all(self) -> None:
        self.check_read(self.everything(), None, None, None)

    @rule(index=indexes, start=offsets, end=st.none() | offsets)
    def read_by_offset(self, index: int, start: int, end: int | None) -> None:
        index %= self.partition_count
        model = self.model.partitions[index]
        first, last = model.start, len(model.rows)

        def place(offset: int) -> int | None:
            if offset < 0:
                return max(first, last + offset)
            return offset if first <= offset <= last else None

        low, high = place(start), last if end is None else place(end)
        if low is None or high is None:
            with pytest.raises(OutOfRangeError):
                self.topic.read(start, end, partition=index)
            return
        expected = [(index, *found) for found in model.records(low, high)]
        self.check_read(expected, start, end, index)
        if not expected:
            return
        span = {index: start}, {} if end is None else {index: end}
        scan = self.topic.scan(*span, partition=index, columns=["offset"])
        assert scan.to_arrow()["offset"].to_pylist() == [offset for _, offset, _ in expected]

    @rule(
        start=st.none() | moments,
        end=st.none() | moments,
        index=st.none() | indexes,
        how=st.sampled_from(["datetime", "text", "ago"]),
    )
    def read_by_time(self, start: int | None, end: int | None, index: int | None, how: str) -> None:
        def said(time_ms: int | None) -> object:
            if time_ms is None:
                return None
            ago = timedelta(milliseconds=self.clock.time_ms - time_ms)
            if how == "ago" and ago >= timedelta(0):
                return ago
            return moment(time_ms).isoformat() if how == "text" else moment(time_ms)

        if index is not None:
            index %= self.partition_count
        expected = [
            (partition, offset, row)
            for partition, offset, row in self.everything()
            if (index is None or partition == index)
            and (start is None or row.timestamp >= start)  # type: ignore[operator]
            and (end is None or row.timestamp < end)  # type: ignore[operator]
        ]
        self.check_read(expected, said(start), said(end), index)

    @rule(
        columns=st.lists(st.sampled_from(COLUMNS), unique=True),
        max_rows=st.integers(1, 50),
        copy=st.booleans(),
        start=st.none() | moments,
    )
    def scan(self, columns: list[str], max_rows: int, copy: bool, start: int | None) -> None:
        begin = None if start is None else moment(start)
        scan = self.topic.scan(begin, columns=columns, max_rows=max_rows, copy=copy)
        batches = list(scan)
        assert all(batch.num_rows <= max_rows for batch in batches)
        table = pa.Table.from_batches(batches, scan.schema)
        table.validate(full=True)
        expected = [
            expected_row(partition, offset, row, columns)
            for partition, offset, row in self.everything()
            if start is None or row.timestamp >= start  # type: ignore[operator]
        ]
        assert table_rows(table) == expected
        self.kept.append((table, expected))

    @rule(index=indexes, offset=offsets, until=st.none() | offsets, step=st.none() | st.just(3))
    def look(self, index: int, offset: int, until: int | None, step: int | None) -> None:
        index %= self.partition_count
        partition, model = self.topic.partitions[index], self.model.partitions[index]
        count = len(model.rows)
        assert (offset in partition) == (model.start <= offset < count)
        wanted = count + offset if offset < 0 else offset
        if model.start <= wanted < count:
            record = partition[offset]
            assert (record.offset, row_of(record)) == (wanted, model.rows[wanted])
        else:
            with pytest.raises(IndexError):
                partition[offset]
        # As a list would cut the slice, were it not for what retention deleted.
        low, high, _ = slice(offset, until).indices(count)
        low = max(low, model.start)
        assert [record.offset for record in partition[offset:until:step]] == list(
            range(low, high, step or 1)
        )

    @rule(start=st.none() | moments)
    def tail(self, start: int | None) -> None:
        """All that there is, then the timeout."""
        begin = "earliest" if start is None else moment(start)
        found = [(r.partition, r.offset) for r in self.topic.tail(begin, timeout=0)]
        assert found == [
            (partition, offset)
            for partition, offset, row in self.everything()
            if start is None or row.timestamp >= start  # type: ignore[operator]
        ]

    @rule()
    def read_beside(self) -> None:
        """Another opening, which takes nothing and changes nothing, sees the same."""
        with meghna.open(self.log.path, read_only=True, clock=self.clock) as beside:
            found = [(r.partition, r.offset, row_of(r)) for r in beside["t"].read()]
        assert found == self.everything()

    # --- retention, settings ---

    @rule(by_ms=st.integers(0, 30_000))
    def time_goes_by(self, by_ms: int) -> None:
        self.clock.time_ms += by_ms

    @rule(
        kind=st.sampled_from(["time", "size", "none"]),
        retention_ms=st.integers(1, 40_000),
        retention_size=st.integers(0, 2_000_000),
    )
    def configure_retention(self, kind: str, retention_ms: int, retention_size: int) -> None:
        self.model.retention_ms = retention_ms if kind == "time" else None
        self.model.retention_size = retention_size if kind == "size" else None
        self.log.configure(
            "t",
            settings={
                "retention.ms": retention_ms if kind == "time" else -1,
                "retention.bytes": retention_size if kind == "size" else None,
            },
        )

    @rule(codec=st.sampled_from(CODECS))
    def configure_codec(self, codec: str) -> None:
        self.log.configure("t", compression=codec)
        self.topic = self.log["t"]

    @rule(partition=indexes)
    def roll(self, partition: int) -> None:
        self.topic.partitions[partition % self.partition_count].roll()

    @rule(
        kind=st.sampled_from(["time", "size"]),
        retention_ms=st.integers(1, 40_000),
        retention_size=st.integers(0, 1_000),
        by_ms=st.integers(0, 30_000),
    )
    def keep_less(self, kind: str, retention_ms: int, retention_size: int, by_ms: int) -> None:
        """All that retention needs, so that it often finds something."""
        self.configure_retention(kind, retention_ms, retention_size)
        self.time_goes_by(by_ms)
        self.apply_retention()

    @rule()
    def apply_retention(self) -> None:
        self.log.apply_retention()
        self.settle()
        oldest_ms = self.clock.time_ms - (self.model.retention_ms or 0)
        for index, model in enumerate(self.model.partitions):
            left = [row.timestamp for row in model.rows[model.start :] if row.timestamp is not None]
            if self.model.retention_ms is not None and left:
                assert max(left) >= oldest_ms
            if self.model.retention_size is not None:
                directory = Path(self.log.path) / f"t-{index}"
                _, *others = sorted(directory.glob("*.log"))
                left_without_first = sum(path.stat().st_size for path in others)
                assert not others or left_without_first < self.model.retention_size

    def settle(self) -> None:
        """Retention comes with appends; nothing goes that it did not let go."""
        for index, model in enumerate(self.model.partitions):
            partition = self.topic.partitions[index]
            gone = model.rows[model.start : partition.start]
            assert partition.start >= model.start
            if gone and self.model.retention_ms is not None:
                oldest_ms = self.clock.time_ms - self.model.retention_ms
                assert all(row.timestamp < oldest_ms for row in gone)  # type: ignore[operator]
            elif gone:
                assert self.model.retention_size is not None
                assert partition.size >= self.model.retention_size
            model.start = partition.start

    # --- ends ---

    @rule()
    def flush(self) -> None:
        self.log.flush()
        assert all(each.durable_end == each.end for each in self.topic.partitions)

    @rule()
    def reopen(self) -> None:
        self.log.close()
        self.log = self.opened()
        self.topic = self.log["t"]

    @rule()
    def crash(self) -> None:
        """What a process leaves that dies now: the files as they are, without a last word."""
        here = Path(self.log.path)
        self.generation += 1
        shutil.copytree(here, self.root / f"data{self.generation}")
        self.log.close()
        shutil.rmtree(here)
        self.log = self.opened()
        self.topic = self.log["t"]
        self.settle()

    @rule(codec=st.sampled_from(CODECS), chance=st.integers(0, 3))
    def delete(self, codec: str, chance: int) -> None:
        assume(chance == 0)
        self.log.delete_topic("t")
        with pytest.raises(NotFoundError):
            self.log.topic("t")
        self.create(codec)

    @invariant()
    def ends_agree(self) -> None:
        if hasattr(self, "log"):
            assert [(each.start, each.end) for each in self.topic.partitions] == [
                (model.start, len(model.rows)) for model in self.model.partitions
            ]
            assert len(self.topic) == len(self.everything())
            for name in "ab":
                found = [each.positions.get(name) for each in self.model.partitions]
                last = max((each for each in found if each is not None), default=None)
                assert self.topic.position_of(name) == last

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            shutil.rmtree(self.root)
            for table, expected in self.kept:
                assert table_rows(table) == expected


def test_a_topic_answers_as_its_model(memory_path: Path) -> None:
    ROOT[:] = [memory_path / "machine"]
    TopicMachine.TestCase.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize="CI" in os.environ,
        suppress_health_check=list(HealthCheck),
        phases=PHASES,
    )
    TopicMachine.TestCase("runTest").runTest()
