from __future__ import annotations

import pyarrow as pa
import pytest

from meghna.cli.outcome import CommandError
from meghna.cli.row_form import RowForm, are_records, check_names, times


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
    assert times(pa.array([text, None]), "here").cast(pa.int64()).to_pylist() == [
        milliseconds, None,
    ]  # fmt: skip


def test_what_is_no_time_is_told() -> None:
    with pytest.raises(CommandError, match="here: not a time"):
        times(pa.array(["tomorrow"]), "here")
