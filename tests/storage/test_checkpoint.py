"""Checkpoint files: Kafka's text, replaced as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meghna.storage import checkpoint
from meghna.storage.checkpoint import MalformedCheckpointError

if TYPE_CHECKING:
    from pathlib import Path

OFFSETS = {("orders", 1): 1498, ("orders", 0): 1500, ("a.b_c-d", 0): 2**63 - 1}
TEXT = b"0\n3\na.b_c-d 0 9223372036854775807\norders 0 1500\norders 1 1498\n"


def test_the_bytes_are_kafkas_and_are_read_back() -> None:
    assert checkpoint.encode(OFFSETS) == TEXT
    assert checkpoint.decode(TEXT) == OFFSETS
    assert checkpoint.decode(b"") == {}
    assert checkpoint.decode(checkpoint.encode({})) == {}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"1\n0\n", "line 1: '1' is not version 0"),
        (b"\n", "line 1: '' is not version 0"),
        (b"garbage", "line 1: 'garbage' is not version 0"),
        (b"0\n", "line 2: nothing where the number of entries belongs"),
        (b"0\n1\n", "line 2: 1 entries, and 0 lines follow"),
        (b"0\nx\n", "line 2: 'x' where the number of entries belongs"),
        (b"0\n1\na 0\n", "line 3: 'a 0' is not a topic, a partition and an offset"),
        (b"0\n1\na 0 x\n", "line 3: 'a 0 x' is not a topic, a partition and an offset"),
        (b"0\n2\na 0 1\n\n", "line 4: '' is not a topic, a partition and an offset"),
        (b"0\n0\na 0 1\n", "line 2: 0 entries, and 1 lines follow"),
        (b"0\n1\n\xff\xfe", "line 3: bytes that are no text"),
        (TEXT[:-20], "line 4: 'orders 0' is not"),
    ],
)
def test_what_does_not_follow_the_format_is_told_with_its_line(data: bytes, said: str) -> None:
    with pytest.raises(MalformedCheckpointError) as raised:
        checkpoint.decode(data)
    assert str(raised.value).startswith(said)


def test_a_missing_file_is_empty(tmp_path: Path) -> None:
    assert checkpoint.read(str(tmp_path / "none")) == {}


def test_a_file_is_replaced_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    checkpoint.replace_file(str(path), b"one")
    checkpoint.replace_file(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    checkpoint.replace_file(str(path), b"one")
    (tmp_path / "file.tmp").mkdir()
    with pytest.raises(OSError, match="directory"):
        checkpoint.replace_file(str(path), b"two")
    assert path.read_bytes() == b"one"
