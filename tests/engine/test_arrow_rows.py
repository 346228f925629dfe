"""Arrow data as rows: all its layouts, slices and nulls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

import meghna

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORDS = [b"", b"short", b"just twelve!", b"longer than twelve bytes", None]


@pytest.fixture
def topic(tmp_path: Path) -> Iterator[meghna.Topic]:
    with meghna.open(tmp_path) as log:
        yield log.topic("t", create=True)


def stored(topic: meghna.Topic) -> list[bytes | None]:
    return [record.value for record in topic.read()]


ARROW_TYPES = [pa.binary(), pa.large_binary(), pa.binary_view()]


@pytest.mark.parametrize("kind", ARROW_TYPES, ids=str)
def test_arrow_arrays_of_bytes(topic: meghna.Topic, kind: pa.DataType) -> None:
    array = pa.array(WORDS * 3, kind)
    topic.append_many(array)
    topic.append_many(array.slice(4, 7))
    topic.append_many(pa.chunked_array([array.slice(0, 2), array.slice(3, 2)]))
    whole = WORDS * 3
    assert stored(topic) == whole + whole[4:11] + whole[0:2] + whole[3:5]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_arrow_text_is_its_utf8(topic: meghna.Topic, kind: pa.DataType) -> None:
    topic.append_many(pa.table({"text": pa.array(["গঙ্গা", None, "x"], kind)}))
    assert stored(topic) == ["গঙ্গা".encode(), None, b"x"]


def test_arrow_fixed_size_dictionary_and_null(topic: meghna.Topic) -> None:
    fixed = pa.array([b"abc", None, b"def"], pa.binary(3))
    topic.append_many(fixed.slice(1))
    topic.append_many(pa.array(["a", "b", "a"]).dictionary_encode())
    topic.append_many(pa.table({"value": pa.nulls(2)}))
    assert stored(topic) == [None, b"def", b"a", b"b", b"a", None, None]


def test_a_table_with_a_value_column_is_records(topic: meghna.Topic) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000)
    table = pa.table(
        {
            "key": ["a", None],
            "value": [b"1", b"2"],
            "timestamp": pa.array([moment, None], pa.timestamp("us")),
            "headers": pa.array(
                [[("h", b"x"), ("i", None)], None], pa.map_(pa.string(), pa.binary())
            ),
        }
    )
    topic.append_many(table)
    first, second = topic.read()
    assert (first.key, first.value, first.headers) == (b"a", b"1", (("h", b"x"), ("i", None)))
    assert first.timestamp == int(moment.replace(tzinfo=UTC).timestamp() * 1000)
    assert (second.key, second.value, second.headers) == (None, b"2", ())
    assert second.timestamp > first.timestamp


def test_columns_can_be_named(topic: meghna.Topic) -> None:
    table = pa.table({"id": [7, 8], "body": ["x", "y"], "at": [10, 20]})
    topic.append_many(table, key="id", value="body", timestamp="at")
    assert [(r.key, r.value, r.timestamp) for r in topic] == [(b"7", b"x", 10), (b"8", b"y", 20)]
    with pytest.raises(ValueError, match="no column 'di', but"):
        topic.append_many(table, key="di")


def test_a_table_with_a_value_among_others_loses_none(topic: meghna.Topic) -> None:
    table = pa.table({"sensor": ["s1"], "timestamp": [5], "value": [1.5]})
    topic.append_many(table)
    topic.append_many(table, value="value", key="sensor", timestamp="timestamp")
    whole, chosen = topic.read()
    assert whole.value == b'{"sensor":"s1","timestamp":5,"value":1.5}'
    assert (chosen.key, chosen.value, chosen.timestamp) == (b"s1", b"1.5", 5)
