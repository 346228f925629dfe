from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from meghna.cli.outcome import CommandError
from meghna.cli.whole_file import whole_file

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with whole_file(str(path), force=False) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a"]


def test_nothing_remains_of_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with whole_file(str(path), force=True) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_what_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(CommandError, match="--force"), whole_file(str(path), force=False):
        pass
    path.unlink()
    with pytest.raises(CommandError, match="meanwhile"), whole_file(str(path), force=False):
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    with whole_file(str(path), force=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_what_is_no_regular_file_is_written_as_it_is() -> None:
    with whole_file(os.devnull, force=False) as file:
        file.write(b"gone")
