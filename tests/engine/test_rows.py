"""What people have, as rows: every form says the same, and what is none is refused with a hint."""

from __future__ import annotations

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
        ([{"a": 1}], r"append json\.dumps\(row\)"),
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
    topic.append_many(pd.DataFrame({"value": ["c"], "n": [1]}), key="n", value="value")
    topic.append_many(pl.Series(["d"]))
    assert [(r.key, r.value) for r in topic] == [
        *((b"x", b"a"), (None, b"b")),
        *((b"1", b"c"), (None, b"d")),
    ]
    frame = pd.DataFrame({"value": ["x", "y"], "key": ["a", "b"]})
    topic.append_many(frame[frame["value"] == "y"])  # its index is no column of anybody's
    assert (topic[-1].key, topic[-1].value) == (b"b", b"y")
