"""The data directory: one holder, a known owner, a clean mark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meghna.storage.directory import (
    DataDirectory,
    DirectoryError,
    DirectoryLockedError,
    id_bytes,
    id_text,
    random_id,
)

MARK = ".kafka_cleanshutdown"
SOURCE = str(Path(__file__).parents[2] / "src")


def take(path: Path, *, node_id: int = 1, cluster_id: str | None = None) -> DataDirectory:
    return DataDirectory.take(str(path), node_id=node_id, cluster_id=cluster_id)


def test_a_new_directory_gets_an_identity_and_keeps_it(tmp_path: Path) -> None:
    directory = take(tmp_path / "a" / "b", cluster_id="MkU3OEVBNTcwNTJENDM2Qg")
    assert (directory.is_new, directory.was_clean) == (True, True)
    assert directory.identity.cluster_id == "MkU3OEVBNTcwNTJENDM2Qg"
    lines = (tmp_path / "a" / "b" / "meta.properties").read_text().splitlines()
    assert {"version=1", "node.id=1", f"cluster.id={directory.identity.cluster_id}"} <= set(lines)
    assert f"directory.id={directory.identity.directory_id}" in lines
    directory.release()
    directory.release()
    again = take(tmp_path / "a" / "b")
    assert again.identity == directory.identity
    assert (again.is_new, again.was_clean) == (False, False)
    again.release()


def test_the_clean_mark_is_taken_away_at_once(tmp_path: Path) -> None:
    directory = take(tmp_path)
    directory.mark_clean()
    directory.release()
    assert (tmp_path / MARK).read_text() == '{"version":0,"brokerEpoch":-1}'
    directory = take(tmp_path)
    assert directory.was_clean
    assert not (tmp_path / MARK).exists()
    directory.release()
    directory = take(tmp_path)
    assert not directory.was_clean
    directory.release()


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    directory = take(tmp_path)
    with pytest.raises(DirectoryLockedError, match=f"in use by process {os.getpid()}, this one"):
        take(tmp_path)
    other = (
        "import sys; from meghna.storage.directory import *\n"
        "try: DataDirectory.take(sys.argv[1], node_id=1, cluster_id=None)\n"
        "except DirectoryLockedError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", other, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"process {os.getpid()};" in told.stdout
    directory.release()
    take(tmp_path).release()


def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(DirectoryError, match=r"not empty and holds no Meghna or Kafka data.*tex"):
        take(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_foreign_directory_inside_is_refused_as_kafka_does(tmp_path: Path) -> None:
    take(tmp_path).release()
    (tmp_path / "backup").mkdir()
    with pytest.raises(DirectoryError, match="backup in it is no partition"):
        take(tmp_path)


def test_another_node_or_cluster_is_refused(tmp_path: Path) -> None:
    take(tmp_path).release()
    with pytest.raises(DirectoryError, match="belongs to node 1, and this is node 2"):
        take(tmp_path, node_id=2)
    with pytest.raises(DirectoryError, match="and other was asked for"):
        take(tmp_path, cluster_id="other")
    take(tmp_path).release()


def test_kafkas_own_properties_are_read(tmp_path: Path) -> None:
    (tmp_path / "meta.properties").write_text(
        "#\n#Sun Nov 22 05:06:06 UTC 2026\nnode.id=7\ndirectory.id=6OZcHOgpbwJj3iiUDb-Ahg\n"
        "version=1\ncluster.id=up0HevubQZyOtnCCu1Xbag\n"
    )
    directory = take(tmp_path, node_id=7)
    assert directory.identity.cluster_id == "up0HevubQZyOtnCCu1Xbag"
    assert directory.identity.directory_id == "6OZcHOgpbwJj3iiUDb-Ahg"
    directory.release()
    (tmp_path / "meta.properties").write_text("version=9\n")
    with pytest.raises(DirectoryError, match="not of a version"):
        take(tmp_path, node_id=7)


def test_a_directory_of_before_directories_had_ids_gets_one(tmp_path: Path) -> None:
    meta = tmp_path / "meta.properties"
    before = "#\nversion=1\nnode.id=7\ncluster.id=up0HevubQZyOtnCCu1Xbag\n"
    meta.write_text(before)
    with pytest.raises(DirectoryError, match="belongs to node 7"):
        take(tmp_path)
    assert meta.read_text() == before
    directory = take(tmp_path, node_id=7)
    given = directory.identity.directory_id
    assert len(id_bytes(given)) == 16
    directory.release()
    assert meta.read_text() == f"{before}directory.id={given}\n"
    directory = take(tmp_path, node_id=7)
    assert directory.identity.directory_id == given
    directory.release()


@pytest.mark.parametrize("damage", [b"\xff\xfe\n", b"node.id=7\ndirectory.id=no\n"])
def test_a_damaged_meta_properties_is_told_of(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "meta.properties").write_bytes(b"version=1\ncluster.id=x\n" + damage)
    with pytest.raises(DirectoryError, match=r"meta\.properties"):
        take(tmp_path, node_id=7)


def test_partitions_and_leftovers_are_found(tmp_path: Path) -> None:
    directory = take(tmp_path)
    for name in ("a-b-0", "a-12", "__cluster_metadata-0", f"a-3.{'0f' * 16}-delete",
                 f"a-4.{'0f' * 16}-stray"):  # fmt: skip
        (tmp_path / name).mkdir()
    (tmp_path / "a-9").write_text("a file")
    assert set(directory.partitions()) == {("a-b", 0), ("a", 12)}
    assert directory.partition_path("a", 12) == str(tmp_path / "a-12")
    assert [Path(path).name for path in directory.leftovers()] == [f"a-3.{'0f' * 16}-delete"]
    directory.release()


def test_ids_are_written_as_kafka_writes_them() -> None:
    assert id_text(id_bytes("6OZcHOgpbwJj3iiUDb-Ahg")) == "6OZcHOgpbwJj3iiUDb-Ahg"
    made = {random_id() for _ in range(100)}
    assert len(made) == 100
    assert all(id_text(each)[0] != "-" and len(id_text(each)) == 22 for each in made)
    with pytest.raises(ValueError, match="is not an id"):
        id_bytes("abcd")


def listing(path: Path) -> dict[str, tuple[int, int, int]]:
    """Every name below, with its inode, size and time of change."""
    return {
        str(entry): (entry.stat().st_ino, entry.stat().st_size, entry.stat().st_mtime_ns)
        for entry in [path, *path.rglob("*")]
    }


def test_looking_needs_no_lock_and_writes_nothing(tmp_path: Path) -> None:
    held = take(tmp_path, node_id=7)
    (tmp_path / "a-0").mkdir()
    before = listing(tmp_path)
    seen = DataDirectory.look(str(tmp_path))
    assert (seen.identity, seen.path, seen.is_new) == (held.identity, held.path, False)
    assert not seen.was_clean
    assert set(seen.partitions()) == {("a", 0)}
    with pytest.raises(AssertionError, match="not held"):
        seen.mark_clean()
    seen.release()
    assert listing(tmp_path) == before
    with pytest.raises(DirectoryLockedError):
        take(tmp_path, node_id=7)
    held.mark_clean()
    held.release()
    before = listing(tmp_path)
    assert DataDirectory.look(str(tmp_path)).was_clean
    assert listing(tmp_path) == before
    take(tmp_path, node_id=7).release()


def test_looking_where_nothing_is_says_so_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match="is no directory"):
        DataDirectory.look(str(tmp_path / "no"))
    with pytest.raises(DirectoryError, match="holds no data yet"):
        DataDirectory.look(str(tmp_path))
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(DirectoryError, match=r"not empty and holds no Meghna"):
        DataDirectory.look(str(tmp_path))
    with pytest.raises(DirectoryError, match="is no directory"):
        DataDirectory.look(str(tmp_path / "thesis.tex"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]
