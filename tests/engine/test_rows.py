"""What people have, as rows: every form says the same, and what is none is refused with a hint."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
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
            "other": [1, 2],
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


def test_any_other_table_becomes_json(topic: meghna.Topic) -> None:
    rows = [
        {
            "int": 1,
            "float": 1.5,
            "bool": True,
            "text": 'a "quoted" \\ line\nbreak\x01',
            "none": None,
            "list": [1, None],
            "struct": {"a": "b"},
            "decimal": Decimal("1.50"),
            "date": date(2026, 1, 2),
            "time": datetime(2026, 1, 2, 3, 4, 5, 250000),
            "bytes": b"raw",
        },
        dict.fromkeys(
            ["int", "float", "bool", "text", "none", "list", "struct", "decimal", "date", "time"]
        )
        | {"float": float("nan"), "bytes": None},
    ]
    topic.append_many(pa.Table.from_pylist(rows), key="int")
    first, second = [json.loads(value or b"") for value in stored(topic)]
    assert first == rows[0] | {
        "decimal": 1.5,
        "date": "2026-01-02",
        "time": "2026-01-02T03:04:05.250000",
        "bytes": "raw",
    }
    assert set(second.values()) == {None}
    assert [record.key for record in topic] == [b"1", None]


def test_json_of_chosen_columns(topic: meghna.Topic) -> None:
    topic.append_many(pa.table({"a": [1], "b": ["x"], "c": [True]}), value=["b", "a"])
    assert stored(topic) == [b'{"b":"x","a":1}']


def test_numpy_arrays(topic: meghna.Topic) -> None:
    topic.append_many(np.array([b"ab", b"c", b""], dtype="S4"))
    topic.append_many(np.array([b"ab", b"c"], dtype="S4").view("V4"))
    topic.append_many(np.arange(6, dtype=np.uint8).reshape(2, 3))
    topic.append_many(np.array([b"long enough to matter", None, "text"], dtype=object))
    topic.append_many(np.array(["ü", "x"]))
    topic.append_many(np.array([b"abcd", b"efgh", b"ijkl"])[::2])
    assert stored(topic) == [
        *(b"ab", b"c", b""),
        *(b"ab\0\0", b"c\0\0\0"),
        *(bytes([0, 1, 2]), bytes([3, 4, 5])),
        *(b"long enough to matter", None, b"text"),
        *("ü".encode(), b"x"),
        *(b"abcd", b"ijkl"),
    ]
    with pytest.raises(TypeError, match=r"view\('V8'\)"):
        topic.append_many(np.arange(3))


def test_what_goes_beside_an_array(topic: meghna.Topic) -> None:
    topic.append_many(
        np.array([b"a", b"b"]),
        key=["k", None],
        timestamp=np.array(["2026-01-01", "NaT"], dtype="datetime64[s]"),
        headers=[{"h": b"1"}, None],
    )
    topic.append_many([b"c"], key=pa.array([b"z"]), timestamp=[5])
    first, second, third = topic.read()
    assert (first.key, first.headers) == (b"k", (("h", b"1"),))
    assert first.timestamp == 1767225600000
    assert second.timestamp > first.timestamp
    assert (third.key, third.timestamp) == (b"z", 5)
    with pytest.raises(ValueError, match="2 values, but 1"):
        topic.append_many([b"a", b"b"], key=[b"k"])


def test_iterables_and_tuples(topic: meghna.Topic) -> None:
    topic.append_many(b"%d" % i for i in range(3))
    topic.append_many((b"k", b"%d" % i) for i in range(3))
    topic.append_many([(None, b"v", None, 5), ("k", None, {"h": None}, None)])
    assert stored(topic) == [b"0", b"1", b"2", b"0", b"1", b"2", b"v", None]


@pytest.mark.parametrize(
    ("rows", "hint"),
    [
        (b"one", "use append for one record"),
        ({"a": 1}, "use append for one record"),
        (5, "int is nothing that can be appended"),
        ([1], "index 0|item 0|row 0"),
        ([b"a", 2.5], "index 1|item 1|row 1"),
        ([(b"k",)], "write \\(key, value\\)"),
        ([(b"k", b"v"), b"w"], "write \\(key, value\\)"),
    ],
)
def test_what_is_no_row_is_refused_with_a_hint(
    topic: meghna.Topic, rows: object, hint: str
) -> None:
    with pytest.raises(TypeError, match=hint):
        topic.append_many(rows)
    assert len(topic) == 0


def test_frames_of_other_libraries(topic: meghna.Topic) -> None:
    pl = pytest.importorskip("polars")
    pd = pytest.importorskip("pandas")
    topic.append_many(pl.DataFrame({"value": ["a", "b"], "key": ["x", None]}))
    topic.append_many(pd.DataFrame({"value": ["c"], "n": [1]}), key="n")
    topic.append_many(pl.Series(["d"]))
    assert [(r.key, r.value) for r in topic] == [
        *((b"x", b"a"), (None, b"b")),
        *((b"1", b"c"), (None, b"d")),
    ]
