from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meghna.cli import input_file, text_rows
from meghna.cli.input_file import InputFile
from meghna.cli.outcome import CommandError
from meghna.cli.row_form import RowForm
from meghna.cli.text_rows import JsonSource, LineSource, split, whole_lines

if TYPE_CHECKING:
    from pathlib import Path


def file(path: Path, content: bytes) -> InputFile:
    path.write_bytes(content)
    return InputFile(str(path))


def taken(source: JsonSource | LineSource, first: int = 0) -> list[object]:
    """Rows as their values, or as tuples; the numbers of the pieces are checked."""
    rows: list[object] = []
    for piece in source.pieces(first):
        assert piece.first == first + len(rows)
        found = piece.rows if isinstance(piece.rows, list) else piece.rows.to_pylist()
        rows += [row["value"] if isinstance(row, dict) and len(row) == 1 else row for row in found]
    return rows


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), min_size=1))
def test_lines_are_what_lies_between_newlines(lines: list[bytes]) -> None:
    for block in (b"\n".join(lines) + b"\n", b"\n".join([*lines, b"end"])):
        assert split(block).to_pylist() == block.removesuffix(b"\n").split(b"\n")


def test_blocks_end_with_a_line_wherever_reads_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"".join(b"%d\n" % 10**size for size in range(40)) + b"no newline"
    monkeypatch.setattr(InputFile.read, "__defaults__", (7,))
    blocks = list(whole_lines(file(tmp_path / "a.txt", content)))
    assert b"".join(blocks) == content
    assert all(block.endswith(b"\n") for block in blocks[:-1])
    monkeypatch.setattr(text_rows, "LINE_SIZE_MAX", 20)
    with pytest.raises(CommandError, match="longer than 20"):
        list(whole_lines(file(tmp_path / "a.txt", content)))


def test_lines_are_taken_from_any_row_on(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for first in range(5):
        source = LineSource(file(path, b"a\n\nb\r\nc"))
        assert taken(source, first) == [b"a", b"", b"b\r", b"c"][first:]
        assert source.rows == 4
    headed = LineSource(file(path, b"head\na\nb\n"), skipped_lines=1)
    assert taken(headed) == [b"a", b"b"]


def test_json_lines_stay_as_they_are_and_empty_ones_go(tmp_path: Path) -> None:
    content = b'{"a": 1}\n\n{"a": "\\u00e4"}\r\n\r\n[1, 2]\n"text"\n7\n'
    expected = [b'{"a": 1}', b'{"a": "\\u00e4"}\r', b"[1, 2]", b'"text"', b"7"]
    for first in range(6):
        source = JsonSource(file(tmp_path / "a.ndjson", content), RowForm("ndjson"))
        assert taken(source, first) == expected[first:]
        assert source.rows == 5


def test_columns_of_json_become_key_value_and_time(tmp_path: Path) -> None:
    rows = [{"k": 5, "v": "x", "t": 1000}, {"k": 6, "v": None, "t": None}, {"v": "z"}]
    odd = [*rows, {"k": True, "v": {"a": [1]}, "t": 2000}]
    form = RowForm("ndjson", key="k", values=("v",), timestamp="t")
    for given_rows in (rows, odd):  # by pyarrow, and line by line
        content = "".join(json.dumps(row) + "\n" for row in given_rows).encode()
        source = JsonSource(file(tmp_path / "a.ndjson", content), form)
        assert source.is_keyed
        (piece,) = source.pieces(0)
        assert not isinstance(piece.rows, list)
        keys = [None if key is None else str(key) for key in piece.rows["key"].to_pylist()]
        assert keys == ["5", "6", None, "true"][: len(given_rows)]
        assert piece.rows["value"].to_pylist() == ["x", None, "z", '{"a": [1]}'][: len(given_rows)]
        assert [
            None if each is None else each.as_py() for each in piece.rows["timestamp"].cast("int64")
        ] == [1000, None, None, 2000][: len(given_rows)]


def test_records_that_were_exported_are_records_again(tmp_path: Path) -> None:
    line = {"topic": "t", "offset": 3, "timestamp": 5, "key": "k", "value_base64": "/w==",
            "headers": [{"key": "h", "value": "1"}]}  # fmt: skip
    content = (json.dumps(line) + "\n").encode() * 2
    assert taken(JsonSource(file(tmp_path / "a.ndjson", content), RowForm("ndjson")), 1) == [
        (b"k", b"\xff", (("h", b"1"),), 5)
    ]


@pytest.mark.parametrize(
    "wrong", [b"{", b'{"a":1} {"a":2}', b"NaN", b'{"a":"\xff"}', b'{"a":\n1}', b"  "]
)
def test_rows_before_what_is_no_json_are_taken_and_its_line_is_told(
    tmp_path: Path, wrong: bytes
) -> None:
    content = b'{"a": 1}\n\n{"a": 2}\n' + wrong + b'\n{"a": 3}\n'
    source = JsonSource(file(tmp_path / "a.ndjson", content), RowForm("ndjson"))
    pieces = source.pieces(0)
    assert len(next(pieces).rows) == 2
    with pytest.raises(CommandError, match=r"a\.ndjson, line 4: not JSON"):
        list(pieces)


def test_a_first_line_longer_than_what_is_looked_at_is_a_line(tmp_path: Path) -> None:
    long = json.dumps({"value": "x" * input_file.HEAD_SIZE}).encode()
    assert taken(JsonSource(file(tmp_path / "a.ndjson", long), RowForm("ndjson"))) == [long]
