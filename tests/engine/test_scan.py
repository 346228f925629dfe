"""A topic as an Arrow stream."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

import meghna
from meghna.errors import ClosedError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_scan_is_a_table_of_known_columns(topic: meghna.Topic) -> None:
    topic.append(b"value that is longer than twelve", key="k", headers={"h": b"1"}, timestamp=5)
    topic.append(None)
    table = topic.scan().to_arrow()
    assert table.schema.names == ["offset", "timestamp", "key", "value", "headers", "partition"]
    first, second = table.to_pylist()
    assert first == {
        "offset": 0,
        "timestamp": datetime(1970, 1, 1, 0, 0, 0, 5000),
        "key": b"k",
        "value": b"value that is longer than twelve",
        "headers": [{"key": "h", "value": b"1"}],
        "partition": 0,
    }
    assert (second["value"], second["key"], second["headers"]) == (None, None, [])


@pytest.mark.parametrize("copy", [False, True])
def test_a_scan_can_be_used_twice_and_gives_what_was_asked_for(
    topic: meghna.Topic, copy: bool
) -> None:
    topic.append_many(np.array([b"%060d" % i for i in range(1000)]))
    scan = topic.scan(100, 900, columns=["value", "offset"], max_rows=300, copy=copy)
    assert [batch.num_rows for batch in scan] == [300, 300, 200]
    assert scan.schema.field("value").type == (pa.binary() if copy else pa.binary_view())
    for _ in range(2):
        table = pa.table(scan)
        assert table.column("offset").to_pylist() == list(range(100, 900))
        assert table.column("value").to_pylist() == [b"%060d" % i for i in range(100, 900)]
    with pytest.raises(ConfigError, match="no column 'size'"):
        topic.scan(columns=["size"])


def test_a_scan_of_nothing_still_has_its_columns(topic: meghna.Topic) -> None:
    table = topic.scan().to_arrow()
    assert (table.num_rows, table.num_columns) == (0, 6)


def test_a_scan_counts_without_columns_of_records(topic: meghna.Topic) -> None:
    topic.append_many([b"x"] * 10)
    assert topic.scan(columns=["partition"]).to_arrow().num_rows == 10


def test_a_scan_can_be_appended_to_another_topic(log: meghna.Log, topic: meghna.Topic) -> None:
    topic.append_many([(b"k%d" % i, b"v" * i, {"h": b"%d" % i}, i) for i in range(50)])
    copy = log.topic("copy", create=True, partitions=3, compression="lz4")
    assert copy.append_many(topic.scan()).count == 50
    copy.append_many(topic.read())

    def content(of: meghna.Topic) -> list[tuple[object, ...]]:
        return sorted((r.timestamp, r.key, r.value, r.headers) for r in of)

    assert content(copy) == sorted(content(topic) * 2)


def test_names_of_headers_in_any_bytes_are_text(topic: meghna.Topic) -> None:
    topic.append(b"v", headers=[(b"\xff\xfe", b"1"), (b"fine", None)])  # type: ignore[list-item]
    (row,) = topic.scan().to_arrow().to_pylist()
    assert row["headers"] == [
        {"key": "\N{REPLACEMENT CHARACTER}" * 2, "value": b"1"},
        {"key": "fine", "value": None},
    ]


def test_a_close_waits_for_who_scans(tmp_path: Path) -> None:
    for _ in range(20):
        with meghna.open(tmp_path) as log:
            topic = log.topic("t", create=True)
            topic.append_many(np.full(100_000, b"x" * 100))
            with ThreadPoolExecutor(2) as pool:

                def scan(topic: meghna.Topic = topic) -> int:
                    try:
                        return sum(batch.num_rows for batch in topic.scan(max_rows=20_000))
                    except ClosedError:
                        return -1

                scans = [pool.submit(scan) for _ in range(2)]
                log.close()
                assert all(done.result() for done in scans)
