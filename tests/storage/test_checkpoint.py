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
    "data",
    [b"1\n0\n", b"0\n", b"0\n1\n", b"0\nx\n", b"0\n1\na 0\n", b"0\n1\na 0 x\n", b"0\n0\na 0 1\n",
     b"\xff\xfe", TEXT[:-20]],
)  # fmt: skip
def test_what_does_not_follow_the_format_is_told(data: bytes) -> None:
    with pytest.raises(MalformedCheckpointError):
        checkpoint.decode(data)


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
