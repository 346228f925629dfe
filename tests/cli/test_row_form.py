from __future__ import annotations

import pyarrow as pa
import pytest

from meghna.cli.outcome import CommandError
from meghna.cli.row_form import (
    Piece,
    RowForm,
    are_records,
    check_names,
    count_older,
    times,
)


def test_records_have_a_value_and_nothing_strange() -> None:
    assert are_records(["key", "value", "offset"])
    assert are_records(["value_base64"])
    assert not are_records(["value", "sensor"])
    assert not are_records(["key"])


def test_columns_that_are_named_must_be_there() -> None:
    form = RowForm("csv", key="a", values=("b", "a"), timestamp="c")
    assert form.named == ["a", "b", "c"]
    check_names(form.named, ["a", "b", "c"], "x.csv")
    with pytest.raises(CommandError, match=r"x\.csv has no column 'c'; it has a, b"):
        check_names(form.named, ["a", "b"], "x.csv")


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1700000000000", 1_700_000_000_000),
        ("1970-01-01T00:00:01.5", 1_500),
        ("1970-01-01 00:00:01", 1_000),
        ("1970-01-01T01:00:01+01:00", 1_000),
        ("1970-01-01T00:00:01Z", 1_000),
    ],
)
def test_times_are_milliseconds_or_iso_8601(text: str, milliseconds: int) -> None:
    assert times(pa.array([text, None]), str).cast(pa.int64()).to_pylist() == [
        milliseconds, None,
    ]  # fmt: skip


def test_what_is_no_time_is_told() -> None:
    with pytest.raises(CommandError, match="2: 'tomorrow' is no time"):
        times(pa.array(["5", None, "tomorrow", "6"]), str)
    with pytest.raises(CommandError, match="3: '5' is not written as the times before it"):
        times(pa.array(["2024-01-01", None, "2024-01-02", "5"]), str)


def test_rows_older_than_a_time_are_counted() -> None:
    table = pa.RecordBatch.from_pydict({"value": ["a", "b", "c"], "timestamp": [5, None, 9]})
    assert count_older(Piece(table, 0), 9) == 1
    assert count_older(Piece(table, 0, {"timestamp": None}), 9) == 0
    assert count_older(Piece([(b"k", b"v", (), 5), (b"k", b"v", (), None)], 0), 9) == 1
