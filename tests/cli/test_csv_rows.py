from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meghna.cli.csv_rows import CsvSource
from meghna.cli.input_file import InputFile
from meghna.cli.outcome import CommandError
from meghna.cli.row_form import RowForm

if TYPE_CHECKING:
    from pathlib import Path

CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


def source(path: Path, content: str | bytes, form: RowForm | None = None) -> CsvSource:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return CsvSource(InputFile(str(path)), form or RowForm("csv"))


def values(found: CsvSource, first: int = 0) -> list[object]:
    rows: list[object] = []
    for piece in found.pieces(first):
        assert not isinstance(piece.rows, list)
        rows += piece.rows["value"].to_pylist()
    return rows


def test_numbers_stay_as_they_are_written_and_codes_stay_text(tmp_path: Path) -> None:
    content = 'n,code,flag,text\n1.10,007,true,"a ""b"""\n-2e3,008,false,\n,009,true,""\n'
    assert values(source(tmp_path / "a.csv", content)) == [
        '{"n":1.10,"code":"007","flag":true,"text":"a \\"b\\""}',
        '{"n":-2e3,"code":"008","flag":false,"text":null}',
        '{"n":null,"code":"009","flag":true,"text":""}',
    ]


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20))
def test_any_text_comes_through(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("a", "b"), *rows])
    path = tmp_path_factory.getbasetemp() / "any.csv"
    for found, row in zip(values(source(path, text.getvalue())), rows, strict=True):
        assert isinstance(found, str)
        cells = json.loads(found, parse_int=str, parse_float=str)
        assert tuple(
            str(cell).lower() if isinstance(cell, bool) else cell for cell in cells.values()
        ) == tuple(row)


def test_columns_can_be_key_value_and_time(tmp_path: Path) -> None:
    form = RowForm("csv", key="k", values=("v",), timestamp="t", delimiter=";")
    found = source(tmp_path / "a.csv", "k;v;t;x\nk1;1;5;\n;;;\n", form)
    assert found.is_keyed
    (piece,) = found.pieces(0)
    assert not isinstance(piece.rows, list)
    assert piece.rows.to_pydict() == {"value": ["1", None], "key": ["k1", None],
                                      "timestamp": [5, None]}  # fmt: skip
    several = RowForm("csv", values=("v", "t"))
    assert values(source(tmp_path / "a.tsv", "k\tv\tt\nk\t1\t2\n", several)) == ['{"v":1,"t":2}']


def test_all_cells_can_be_text(tmp_path: Path) -> None:
    found = source(tmp_path / "a.csv", "n,flag\n1,true\n,x\n", RowForm("csv", text=True))
    assert values(found) == ['{"n":"1","flag":"true"}', '{"n":null,"flag":"x"}']


def test_a_bad_time_is_named_by_row_and_column(tmp_path: Path) -> None:
    rows = "".join(f"{row},2024-01-01\n" for row in range(1000)) + "x,2024-13-01\n"
    for form, header, row in (
        (RowForm("csv", timestamp="t"), "v,t\n", 1002),
        (RowForm("csv", timestamp="column2", has_header=False), "", 1001),
    ):
        found = source(tmp_path / "a.csv", header + rows, form)
        told = rf"a\.csv, row {row}, column {form.timestamp}: '2024-13-01' is no time"
        with pytest.raises(CommandError, match=told):
            values(found)


def test_without_a_header_columns_have_numbers(tmp_path: Path) -> None:
    found = source(tmp_path / "a.csv", "1,x\n2,y\n", RowForm("csv", has_header=False))
    assert values(found) == ['{"column1":1,"column2":"x"}', '{"column1":2,"column2":"y"}']


def test_rows_are_taken_from_any_on(tmp_path: Path) -> None:
    for first in range(4):
        found = source(tmp_path / "a.csv", "a\n1\n2\n3\n")
        assert values(found, first) == ['{"a":1}', '{"a":2}', '{"a":3}'][first:]
        assert found.rows == 3
    for empty in ("", "a,b\n", "a,b"):
        assert values(source(tmp_path / "a.csv", empty)) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a,b\n1,2\n1,2,3\n", r"a\.csv, after row 0: Row #3: Expected 2 columns, got 3"),
        (b"a,b\n1,\xff\n", r"column b: it is not UTF-8; recode it, e\.g\. iconv -f latin1"),
        (b"\xff\n", r"line 1: it is not UTF-8; recode it"),
        ("a,a\n1,2\n", "same name"),
    ],
)
def test_what_is_no_csv_is_told(tmp_path: Path, content: str | bytes, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        values(source(tmp_path / "a.csv", content))
    with pytest.raises(CommandError, match="no column 'k'"):
        source(tmp_path / "a.csv", "a\n", RowForm("csv", key="k"))
