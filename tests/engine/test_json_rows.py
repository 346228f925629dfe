"""Tables of any columns as JSON."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
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
