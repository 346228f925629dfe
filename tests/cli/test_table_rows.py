from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from meghna.cli.input_file import InputFile
from meghna.cli.outcome import CommandError
from meghna.cli.row_form import RowForm
from meghna.cli.table_rows import TableSource

if TYPE_CHECKING:
    from pathlib import Path

TABLE = pa.table({"id": list(range(100)), "name": [f"n{i}" for i in range(100)]})


def written(path: Path, table: pa.Table = TABLE, options: RowForm | None = None) -> TableSource:
    form = "parquet" if path.suffix == ".parquet" else "arrow"
    if form == "parquet":
        parquet.write_table(table, path, row_group_size=10)
    else:
        make = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
        with make(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=10)
    return TableSource(InputFile(str(path)), options or RowForm(form))


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.arrows"])
def test_rows_are_taken_from_any_on(tmp_path: Path, name: str) -> None:
    for first in (0, 1, 10, 57, 99, 100):
        source = written(tmp_path / name)
        assert not source.is_keyed
        rows: list[object] = []
        for piece in source.pieces(first):
            assert piece.first == first + len(rows)
            assert not isinstance(piece.rows, list)
            rows += piece.rows["id"].to_pylist()
        assert rows == list(range(first, 100))
        assert source.rows == 100
    assert source.fraction() in (None, 0.0, 1.0)


def meaning(tmp_path: Path, columns: dict[str, list[object]], form: RowForm) -> object:
    (piece,) = written(tmp_path / "a.parquet", pa.table(columns), form).pieces(0)
    return {name: column for name, column in piece.columns.items() if column is not None}


def test_a_value_beside_other_columns_is_one_of_them(tmp_path: Path) -> None:
    form = RowForm("parquet")
    columns: dict[str, list[object]] = {"key": ["k"], "value": ["v"], "offset": [7]}
    assert meaning(tmp_path, columns, form) == {"key": "key", "value": "value"}
    columns["x"] = [1]
    assert meaning(tmp_path, columns, form) == {"value": ["key", "value", "offset", "x"]}
    named = RowForm("parquet", key="x")
    assert meaning(tmp_path, columns, named) == {"key": "x", "value": "value"}


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    for name, form in (("a.parquet", "parquet"), ("a.arrow", "arrow")):
        path = tmp_path / name
        path.write_bytes(b"nonsense" * 100)
        with pytest.raises(CommandError, match=f"is no {form} file"):
            TableSource(InputFile(str(path)), RowForm(form))
    written(tmp_path / "b.parquet")
    with pytest.raises(CommandError, match="no column 'k'"):
        TableSource(InputFile(str(tmp_path / "b.parquet")), RowForm("parquet", key="k"))


def test_damage_in_the_middle_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    written(path)
    content = bytearray(path.read_bytes())
    data = len(content) // 4  # is before what says where it lies
    content[data - 200 : data + 200] = b"\xff" * 400
    path.write_bytes(content)
    source = TableSource(InputFile(str(path)), RowForm("parquet"))
    with pytest.raises(CommandError, match=r"a\.parquet, after row \d+: not readable"):
        list(source.pieces(0))
