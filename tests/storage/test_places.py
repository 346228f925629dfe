"""Which data directory a partition lies in, and checkpoint files that are spread over them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from meghna.storage import checkpoint
from meghna.storage.directory import DataDirectory
from meghna.storage.places import Places, take_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def directories(tmp_path: Path) -> Iterator[list[DataDirectory]]:
    paths = tuple(str(tmp_path / name) for name in "ab")
    taken, failed = take_all(
        paths, lambda path, cluster: DataDirectory.take(path, cluster_id=cluster), cluster_id=None
    )
    assert not failed
    yield taken
    for each in taken:
        each.release()


def test_each_file_speaks_of_its_own_directory(
    directories: list[DataDirectory], tmp_path: Path
) -> None:
    places = Places(directories)
    keys = [("t", index) for index in range(4)]
    for key in keys:
        (tmp_path / places.choose(key)).mkdir()
    offsets = {key: key[1] + 10 for key in keys}
    places.write("some-checkpoint", lambda: offsets)
    assert [len(checkpoint.read(f"{each.path}/some-checkpoint")) for each in directories] == [2, 2]
    (tmp_path / "a" / "some-checkpoint").write_bytes(checkpoint.encode({("t", 0): 1, ("t", 1): 7}))
    again = Places(directories)
    said = again.read("some-checkpoint")
    stale = next(key for key in keys[:2] if again.home(key) is directories[1])
    assert said[stale] == offsets[stale]  # what a directory says of another's does not count


def test_a_failure_is_told_once_and_the_first_ones_is_raised(
    directories: list[DataDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Places(directories)
    for index in range(2):
        places.choose(("t", index))
    told: list[list[tuple[str, int]]] = []
    places.on_failure = told.append
    bad = directories[1].path

    def replace(path: str, data: bytes) -> None:
        if path.startswith(bad):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checkpoint, "replace_file", replace)
    places.write("x", lambda: {("t", 0): 1, ("t", 1): 1})
    places.write("x", lambda: {("t", 0): 2, ("t", 1): 2})
    assert [len(each) for each in told] == [1]
    assert list(places.failed) == [bad]
    assert places.directories == directories[:1]
    bad = directories[0].path
    with pytest.raises(OSError, match="Input"):
        places.write("x", lambda: {("t", 0): 3, ("t", 1): 3})


def test_where_a_partition_lay_and_how_far_it_reached_is_remembered(
    directories: list[DataDirectory], tmp_path: Path
) -> None:
    (tmp_path / "b" / checkpoint.RECOVERY_POINTS).write_bytes(checkpoint.encode({("t", 0): 4}))
    watermarks = checkpoint.encode({("t", 0): 6, ("t", 1): 9})
    (tmp_path / "b" / checkpoint.HIGH_WATERMARKS).write_bytes(watermarks)
    places = Places(directories)
    assert places.remembered(("t", 0)) == (str(tmp_path / "b" / "t-0"), 6)
    assert places.remembered(("t", 1)) is None  # perhaps of an older topic of that name
