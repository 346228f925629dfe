from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

import meghna
from meghna.cli import row_sink
from meghna.cli.outcome import CommandError
from meghna.cli.record_text import Incoming, to_json
from meghna.cli.row_sink import JsonSink, LineSink, ParquetSink, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def scan(tmp_path: Path) -> Iterator[meghna.Scan]:
    with meghna.open(tmp_path / "data") as log:
        topic = log.topic("t", create=True, partitions=2)
        for partition in (0, 1):
            topic.append_many([b"v%d" % row for row in range(50)], partition=partition)
        yield topic.scan(columns=["value"], max_rows=7, copy=True)


def test_row_groups_are_as_large_as_memory_allows(
    scan: meghna.Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_sink, "_GROUP_ROWS_MAX", 20)
    file = io.BytesIO()
    sink = ParquetSink(file, scan.schema, "none")
    assert sum(sink.write(scan)) == 100
    sink.close()
    found = parquet.ParquetFile(pa.BufferReader(file.getvalue()))
    groups = found.metadata.num_row_groups
    assert [found.metadata.row_group(i).num_rows for i in range(groups)] == [21, 21, 22, 21, 15]
    assert found.read().column("value").to_pylist() == scan.to_arrow().column("value").to_pylist()


def test_lines_are_written_batch_by_batch(scan: meghna.Scan) -> None:
    lines = io.BytesIO()
    assert max(LineSink(lines).write(scan)) == 7
    assert lines.getvalue().split() == [b"v%d" % row for row in range(50)] * 2


def test_json_is_the_same_by_column_and_one_by_one(tmp_path: Path) -> None:
    texts = ["", "plain", 'a "b" \\ c', "".join(map(chr, range(0x80))), "\u00fc \U0001f375"]
    plain = [(text or None, text or None) for text in texts]
    strange = [("k", "v", {"h": None, "i": b"\xff"}), (b"\xfe", b"\xff")]
    for rows in (plain, [*plain, *strange]):
        with meghna.open(tmp_path / str(len(rows))) as log:
            topic = log.topic("t", create=True)
            topic.append_many(rows)
            written = io.BytesIO()
            assert list(JsonSink(written, "t").write(topic.scan(copy=True))) == [len(rows)]
            expected = [to_json(Incoming("t", 0, record)).encode() for record in topic.read()]
        assert written.getvalue().split(b"\n") == [*expected, b""]


def test_columns_are_for_tables() -> None:
    assert columns_of("lines", None) == ["value"]
    assert columns_of("ndjson", None) is columns_of("parquet", None) is None
    assert columns_of("arrow", "key,value") == ["key", "value"]
    assert "headers" not in (columns_of("csv", None) or ())
    for form, chosen in (("csv", "headers"), ("ndjson", "key")):
        with pytest.raises(CommandError):
            columns_of(form, chosen)
