"""The command as a user runs it: what it takes in, what it leaves out the second time."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

import meghna
from meghna.cli import ingest
from meghna.cli.outcome import Exit
from meghna.storage.directory import DataDirectory

if TYPE_CHECKING:
    from pathlib import Path


class Shelf:
    """A data directory with files beside it, and the command in this process."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.data = str(root / "data")
        self._capsys = capsys

    def file(self, name: str, content: str | bytes) -> str:
        path = self.root / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def run(self, *words: str, code: int = 0) -> str:
        """What the command said."""
        assert ingest.run([*words, "--data", self.data]) == code
        return self._capsys.readouterr().err

    def records(self, topic: str = "t") -> list[meghna.Record]:
        with meghna.open(self.data, read_only=True) as log:
            return list(log.topic(topic).read())

    def values(self, topic: str = "t") -> list[bytes | None]:
        return [record.value for record in self.records(topic)]


@pytest.fixture
def shelf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shelf:
    return Shelf(tmp_path, capsys)


def test_the_same_command_appends_nothing_twice(shelf: Shelf) -> None:
    path = shelf.file("a.txt", "one\ntwo\nthree")
    assert "3 rows to t" in shelf.run("t", path, "--create")
    assert "; 3 rows there already" in shelf.run("t", path, "--create")
    assert shelf.values() == [b"one", b"two", b"three"]
    shelf.run("t", "--no-resume", path, "-q")
    assert len(shelf.values()) == 6


def test_of_a_file_that_grew_what_is_new_is_taken(shelf: Shelf) -> None:
    path = shelf.file("a.log", "one\ntwo\n")
    shelf.run("t", path, "--create")
    with open(path, "a", encoding="ascii") as log:
        log.write("three\n")
    assert "1 row to t" in shelf.run("t", path)
    assert shelf.values() == [b"one", b"two", b"three"]


def test_a_file_that_took_its_place_is_another_and_one_that_was_cut_is_told(shelf: Shelf) -> None:
    path = shelf.file("a.log", "monday\n1\n")
    shelf.run("t", path, "--create")
    shelf.file("a.log", "tuesday\n")
    shelf.run("t", path)
    assert shelf.values() == [b"monday", b"1", b"tuesday"]
    shelf.file("a.log", "monday\n")
    told = shelf.run("t", path, code=Exit.FAILED)
    assert "2 rows of it were taken before, and now it has fewer" in told


def test_all_formats_at_once(shelf: Shelf) -> None:
    table = pa.table({"id": [1, 2]})
    parquet.write_table(table, shelf.root / "a.parquet")
    with pa.ipc.new_stream(shelf.root / "a.arrows", table.schema) as writer:
        writer.write_table(table)
    lines = '{"id":1}\n{"id":2}\n'
    files = [
        shelf.file("a.txt.gz", gzip.compress(lines.encode())),
        shelf.file("a.ndjson", lines),
        shelf.file("a.csv", "id\n1\n2\n"),
        str(shelf.root / "a.parquet"),
        str(shelf.root / "a.arrows"),
    ]
    shelf.run("t", *files, "--create")
    assert shelf.values() == [b'{"id":1}', b'{"id":2}'] * 5
    assert "10 rows there already" in shelf.run("t", *files)
    shelf.run("raw", shelf.file("b.csv", 'id,x\n1,"a"\n'), "--raw", "--create")
    assert shelf.values("raw") == [b'1,"a"']


def test_rows_with_columns_for_key_value_and_time(shelf: Shelf) -> None:
    rows = {"k": ["a", "b"], "v": ["x", "y"], "t": [5, 6], "w": ["p", "q"]}
    parquet.write_table(pa.table(rows), shelf.root / "a.parquet")
    files = [
        str(shelf.root / "a.parquet"),
        shelf.file("a.csv", "k,v,t,w\na,x,5,p\nb,y,6,q\n"),
        shelf.file("a.ndjson", "".join(
            json.dumps(dict(zip(rows, row, strict=True))) + "\n"
            for row in zip(*rows.values(), strict=True)
        )),
    ]  # fmt: skip
    shelf.run("t", *files, "-k", "k", "--value", "v", "--timestamp", "t", "--create")
    found = [(each.key, each.value, each.timestamp) for each in shelf.records()]
    assert found == [(b"a", b"x", 5), (b"b", b"y", 6)] * 3
    shelf.run("u", *files[:2], "--value", "w,v", "--create")
    assert shelf.values("u") == [b'{"w":"p","v":"x"}', b'{"w":"q","v":"y"}'] * 2


def test_a_topic_is_made_as_it_was_asked_for(shelf: Shelf) -> None:
    path = shelf.file("a.txt", "one\n")
    words = ("--partitions", "3", "--retention", "7d", "--compression", "zstd")
    shelf.run("t", path, "--create", *words)
    with meghna.open(shelf.data) as log:
        topic = log.topic("t", partitions=3, retention="7d", compression="zstd")
        assert len(topic) == 1
    assert "has 3 partitions, not 4" in shelf.run("t", path, "--partitions", "4", code=Exit.USAGE)


def test_rows_without_keys_are_dealt_out_and_resumed(shelf: Shelf) -> None:
    rows = [b"%d" % row for row in range(50_000)]
    path = shelf.file("a.txt", b"\n".join(rows[:20_001]))
    shelf.run("t", path, "--create", "--partitions", "3", "--flush", "each")
    shelf.file("a.txt", b"\n".join(rows))
    told = shelf.run("t", path, "--flush", "none")
    assert "29999 rows to t" in told
    assert "20001 rows there already" in told
    assert Counter(shelf.values()) == Counter(rows)
    with meghna.open(shelf.data, read_only=True) as log:
        assert all(len(partition) > 10_000 for partition in log.topic("t").partitions)


def test_what_cannot_be_is_told_in_a_sentence(shelf: Shelf) -> None:
    path = shelf.file("a.txt", "one\n")
    assert "--create makes it" in shelf.run("t", path, code=Exit.NOT_FOUND)
    shelf.run("t", path, "--create")
    assert "(--create makes one)" in shelf.run("u", path, code=Exit.NOT_FOUND)
    assert "No such file" in shelf.run("t", path + "x.txt", code=Exit.FAILED)
    assert "--format" in shelf.run("t", shelf.data, code=Exit.USAGE)
    assert "--key" in shelf.run("t", path, "--key", "k", code=Exit.USAGE)
    assert "no duration" in shelf.run("u", path, "--create", "--retention", "x", code=Exit.USAGE)
    assert "no partition 9" in shelf.run("t", path, "-p", "9", code=Exit.USAGE)
    assert "one file" in shelf.run("t", path, path, "--producer", "p", code=Exit.USAGE)
    assert shelf.values() == [b"one"]


def test_a_directory_that_is_in_use_names_who_has_it(shelf: Shelf) -> None:
    path = shelf.file("a.txt", "one\n")
    holder = DataDirectory.take(shelf.data)
    try:
        told = shelf.run("t", path, "--create", code=Exit.FAILED)
    finally:
        holder.release()
    assert f"in use by process {os.getpid()}" in told
    assert "meghna produce" in told


def test_a_bad_row_is_named_and_what_stood_before_it_is_there(shelf: Shelf) -> None:
    good = shelf.file("a.ndjson", '{"a": 1}\n')
    bad = shelf.file("b.ndjson", '{"a": 1}\n{"a": 2}\n{"a"\n')
    told = shelf.run("t", good, bad, "--create", code=Exit.PARTIAL)
    assert "3 rows to t" in told
    assert "b.ndjson, line 3: not JSON" in told
    shelf.file("b.ndjson", '{"a": 1}\n{"a": 2}\n{"a": 3}\n')
    assert "1 row to t" in shelf.run("t", good, bad)
    assert len(shelf.values()) == 4


def test_a_column_that_has_no_text_is_told(shelf: Shelf) -> None:
    parquet.write_table(pa.table({"k": [[1]], "v": ["x"]}), shelf.root / "a.parquet")
    path = str(shelf.root / "a.parquet")
    told = shelf.run("t", path, "-k", "k", "--value", "v", "--create", code=Exit.FAILED)
    assert "a.parquet, rows from 0: a column of list" in told


# ---- In a process of its own ----


def started(shelf: Shelf, *words: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "meghna", "ingest", *words, "--data", shelf.data]
    return subprocess.Popen(command, stdin=stdin, stderr=subprocess.PIPE)


def grown(shelf: Shelf, size: int) -> None:
    """Wait until the data is as large."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        files = shelf.root.glob("data/t-*/*.log")
        if sum(path.stat().st_size for path in files) >= size:
            return
        time.sleep(0.002)
    pytest.fail("nothing is appended")


@pytest.mark.parametrize("shape", ["csv with keys", "lines", "parquet"])
def test_after_a_kill_the_same_command_completes_it(shelf: Shelf, shape: str) -> None:
    count = 400_000
    if shape == "parquet":
        path = str(shelf.root / "a.parquet")
        columns = {"k": [str(row % 97) for row in range(count)], "v": list(map(str, range(count)))}
        parquet.write_table(pa.table(columns), path, row_group_size=50_000)
        options = ["--key", "k", "--value", "v"]
    elif shape == "lines":
        path = shelf.file("a.txt", "".join(f"{row}\n" for row in range(count)))
        options = []
    else:
        rows = "".join(f"{row % 97},{row}\n" for row in range(count))
        path = shelf.file("a.csv", "k,v\n" + rows)
        options = ["--key", "k", "--value", "v"]
    words = ["t", path, *options, "--create", "--partitions", "4"]
    for size in (1, 1_500_000):
        process = started(shelf, *words)
        grown(shelf, size)
        process.kill()
        process.communicate()
    told = shelf.run(*words)
    found = shelf.values()
    assert len(found) == count
    assert set(found) == {b"%d" % row for row in range(count)}
    if "already" not in told:
        pytest.skip("it was killed before the first row")


def test_standard_input_goes_on_by_name_and_an_interrupt_keeps_what_came(shelf: Shelf) -> None:
    shelf.run("t", shelf.file("none.txt", ""), "--create")
    process = started(shelf, "t", "--producer", "p", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    grown(shelf, 1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED
    assert b"2 rows to t" in told
    assert b"Traceback" not in told
    done = started(shelf, "t", "-", "--producer", "p", stdin=subprocess.PIPE)
    _, told = done.communicate(b"one\ntwo\nthree\n", timeout=60)
    assert b"1 row to t" in told
    assert shelf.values() == [b"one", b"two", b"three"]
