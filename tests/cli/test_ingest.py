"""The command as a user runs it: what it takes in, what it leaves out the second time."""

from __future__ import annotations

import errno
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
from meghna.engine.topic import Topic
from meghna.errors import NoSpaceError
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
    path = shelf.file("a.txt", "one\ntwo\nthree\n")
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


@pytest.mark.parametrize("options", [[], ["--partitions", "3"], ["--key", "id"], ["-p", "1"]])
def test_a_file_that_was_rewritten_is_refused_and_takes_nothing(
    shelf: Shelf, options: list[str]
) -> None:
    if "-p" in options:
        options = [*options, "--partitions", "2"]
    path = shelf.file("a.csv", "id,item\n1,tea\n2,rice\n3,salt\n")
    shelf.run("t", path, "--create", *options)
    taken = shelf.values()
    assert len(taken) == 3
    shelf.file("a.csv", "id,item\n1,tea\n77,other\n78,other\n79,new\n")
    told = shelf.run("t", path, *options, code=Exit.FAILED)
    assert "3 rows of it were taken before, and now row 3 is another" in told
    assert "--no-resume takes it" in told
    assert shelf.values() == taken
    shelf.run("t", path, *options, "--no-resume")
    assert len(shelf.values()) == 7


def test_a_column_that_is_no_number_any_more_is_no_other_file(shelf: Shelf) -> None:
    path = shelf.file("a.csv", "zip\n94107\n")
    shelf.run("t", path, "--create")
    shelf.file("a.csv", "zip\n94107\n01234\n")
    shelf.run("t", path)
    assert shelf.values() == [b'{"zip":94107}', b'{"zip":"01234"}']
    shelf.run("u", path, "--create", "--text")
    assert shelf.values("u") == [b'{"zip":"94107"}', b'{"zip":"01234"}']
    assert "--text is for csv" in shelf.run("u", shelf.file("a.txt", ""), "--text", code=Exit.USAGE)


def test_a_line_that_has_no_end_yet_waits_for_it(shelf: Shelf) -> None:
    csv = ["--no-header", "--value", "column1,column2"]
    for name, options in (("a.csv", csv), ("a.txt", []), ("b.csv", ["--no-header", "--raw"])):
        path = shelf.file(name, "1,a\n2,b")
        told = shelf.run(name, path, *options, "--create")
        assert "1 row to" in told
        assert "a last line without an end was left for the next run; --whole takes it" in told
        shelf.file(name, "1,a\n2,bcd\n3,x\n")
        told = shelf.run(name, path, *options)
        assert "2 rows to" in told
        assert "without an end" not in told
        assert b"bcd" in (shelf.values(name)[1] or b"")


def test_a_line_without_an_end_can_be_taken_and_is_not_kept_half_in_silence(shelf: Shelf) -> None:
    path = shelf.file("a.txt", "1,a\n2,b")
    assert "2 rows to t" in shelf.run("t", path, "--create", "--whole")
    shelf.file("a.txt", "1,a\n2,bcd\n3,x\n")
    assert "now row 2 is another" in shelf.run("t", path, code=Exit.FAILED)
    path = shelf.file("a.ndjson", '{"a":1}\n{"a":2}')  # this one says itself that it is whole
    assert "2 rows to t" in shelf.run("t", path)
    assert "1 row to t" in shelf.run("t", shelf.file("b.txt", "one"), "--no-resume")


def test_rows_that_retention_deletes_are_told(shelf: Shelf) -> None:
    path = shelf.file("a.csv", "v,ts\na,2020-01-01\nb,2020-01-02\nc,2999-01-01\n")
    words = ["t", path, "--timestamp", "ts", "--create"]
    told = shelf.run(*words, "--retention", "7d", "-q")
    assert "2 rows older than the topic keeps" in told
    assert "older" not in shelf.run(*words)  # nothing is appended
    assert "older" not in shelf.run("u", *words[1:])


def test_what_failed_leaves_no_empty_topic(shelf: Shelf) -> None:
    path = shelf.file("a.csv", b"v\n\xe9t\xe9\n")
    for _ in range(2):
        assert "it is not UTF-8" in shelf.run("t", path, "--create", code=Exit.FAILED)
        with meghna.open(shelf.data, read_only=True) as log:
            assert log.topics() == []
    shelf.run("t", shelf.file("none.txt", ""), "--create")
    shelf.run("t", path, code=Exit.FAILED)
    with meghna.open(shelf.data, read_only=True) as log:
        assert log.topics() == ["t"]


@pytest.mark.parametrize("key", [["--producer", "p"], ["--producer", "p", "--key", "k"]])
def test_rows_that_partitions_moved_are_not_appended_again(shelf: Shelf, key: list[str]) -> None:
    path = shelf.file("a.csv", "k,v\n" + "".join(f"{row},{row}\n" for row in range(20_000)))
    shelf.run("t", path, "--create", "--partitions", "2", *key)
    with meghna.open(shelf.data) as log:
        log.configure("t", partitions=5)
    told = shelf.run("t", path, *key, code=Exit.FAILED)
    assert "the topic had fewer partitions" in told
    assert len(shelf.values()) == 20_000


def test_a_full_disk_is_named(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise NoSpaceError("reserve : No space left on device", os_error=errno.ENOSPC)

    path = shelf.file("a.txt", "one\n")
    shelf.run("t", path, "--create")
    monkeypatch.setattr(Topic, "append_many", full)
    other = shelf.file("b.txt", "two\n")
    assert f"{shelf.data}: No space left on device\n" in shelf.run("t", other, code=Exit.FAILED)
    told = shelf.run("t", path, other, code=Exit.PARTIAL)
    assert f"{shelf.data}: No space left on device; taken whole: {path}; not tried: none" in told


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
    path = shelf.file("a.txt", b"\n".join(rows[:20_001]) + b"\n")
    shelf.run("t", path, "--create", "--partitions", "3", "--flush", "each")
    shelf.file("a.txt", b"\n".join(rows) + b"\n")
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
    last = shelf.file("c.txt", "")
    told = shelf.run("t", good, bad, last, "--create", code=Exit.PARTIAL)
    assert "3 rows to t" in told
    assert "b.ndjson, line 3: not JSON" in told
    assert f"; taken whole: {good}; not tried: {last}\n" in told
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
    assert b"interrupted after 2 rows to t" in told
    assert b"; run it again to go on\n" in told
    assert b"Traceback" not in told
    done = started(shelf, "t", "-", "--producer", "p", stdin=subprocess.PIPE)
    _, told = done.communicate(b"one\ntwo\nthree\n", timeout=60)
    assert b"1 row to t" in told
    assert shelf.values() == [b"one", b"two", b"three"]
