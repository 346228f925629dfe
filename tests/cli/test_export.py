"""The command as a user runs it: every format, read by what reads it elsewhere."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

import meghna
from meghna.cli import export, ingest
from meghna.cli.outcome import Exit
from meghna.cli.record_text import from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.broker import BrokerProcess

ROWS = [
    (b"k1", b"one", {"h": b"1"}, 1_000),
    (None, b"two", None, 2_000),
    (b"k3", None, None, 3_000),
    (b"", 'f\u00fcnf, "5"'.encode(), None, 4_000),
]


class Shelf:
    def __init__(self, root: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
        self.root = root
        self.data = str(root / "data")
        self._capsys = capsysbinary

    def run(self, *words: str, code: int = 0) -> tuple[bytes, str]:
        assert export.run([*words, "--data", self.data]) == code
        told = self._capsys.readouterr()
        return told.out, told.err.decode()

    def path(self, name: str) -> str:
        return str(self.root / name)

    def content(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


@pytest.fixture
def shelf(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Iterator[Shelf]:
    made = Shelf(tmp_path, capsysbinary)
    with meghna.open(made.data) as log:
        log.topic("t", create=True).append_many(ROWS)
        log.topic("none", create=True)
        yield made  # beside a writer


def test_parquet_and_arrow_hold_everything(shelf: Shelf) -> None:
    with meghna.open(shelf.data, read_only=True) as log:
        expected = log.topic("t").scan(copy=True).to_arrow()
    _, told = shelf.run("t", shelf.path("a.parquet"))
    assert "4 rows to" in told
    assert parquet.read_table(shelf.path("a.parquet")).equals(expected)
    codec = parquet.ParquetFile(shelf.path("a.parquet")).metadata.row_group(0).column(0).compression
    assert codec == "ZSTD"
    shelf.run("t", shelf.path("a.arrow"), "--compression", "lz4")
    assert pa.ipc.open_file(shelf.path("a.arrow")).read_all().equals(expected)
    shelf.run("t", shelf.path("a.arrows"))
    assert pa.ipc.open_stream(shelf.path("a.arrows")).read_all().equals(expected)
    stream, _ = shelf.run("t", "--format", "arrow", "--columns", "value,offset")
    assert pa.ipc.open_stream(stream).read_all().equals(expected.select(["value", "offset"]))
    shelf.run("none", shelf.path("none.parquet"))
    assert parquet.read_table(shelf.path("none.parquet")).num_rows == 0


def test_text_can_be_compressed(shelf: Shelf) -> None:
    lines = b'one\ntwo\n\nf\xc3\xbcnf, "5"\n'
    assert shelf.run("t")[0] == lines
    shelf.run("t", shelf.path("a.txt.gz"))
    assert gzip.decompress(shelf.content("a.txt.gz")) == lines
    shelf.run("t", shelf.path("a.txt"), "--compression", "zstd")
    opened = zstandard.ZstdDecompressor().decompressobj().decompress(shelf.content("a.txt"))
    assert opened == lines


def test_ndjson_is_what_produce_and_ingest_take(shelf: Shelf) -> None:
    lines, _ = shelf.run("t", "--format", "ndjson")
    read = [from_json(line) for line in lines.splitlines()]
    assert [(r.key, r.value, dict(r.headers) or None, r.timestamp) for r in read] == ROWS
    shelf.run("t", shelf.path("a.ndjson"))
    shelf.run("t", shelf.path("a.csv"))
    shelf.run("t", shelf.path("a.parquet"))
    other = shelf.path("other")
    for name in ("a.ndjson", "a.csv", "a.parquet"):
        assert ingest.run([name, shelf.path(name), "--create", "--data", other, "-q"]) == 0
    with meghna.open(other, read_only=True) as log:
        for name in ("a.ndjson", "a.csv", "a.parquet"):
            found = [(r.key, r.value, dict(r.headers) or None, r.timestamp)
                     for r in log.topic(name).read()]  # fmt: skip
            headers = ROWS if name != "a.csv" else [(k, v, None, at) for k, v, _, at in ROWS]
            assert found == headers


def test_csv_is_read_by_others_and_refuses_what_is_no_text(shelf: Shelf) -> None:
    found = list(csv.reader(io.StringIO(shelf.run("t", "--format", "csv")[0].decode())))
    assert found[0] == ["partition", "offset", "timestamp", "key", "value"]
    assert found[4] == ["0", "3", "4000", "", 'f\u00fcnf, "5"']
    assert shelf.run("t", "--format", "csv", "--columns", "headers", code=Exit.USAGE)[1]
    with meghna.open(shelf.path("binary")) as log:
        log.topic("t", create=True).append(b"\xff")
    words = ["t", shelf.path("b.csv"), "--data", shelf.path("binary")]
    assert export.run(words) == Exit.FAILED
    assert not os.path.exists(shelf.path("b.csv"))


def test_a_part_of_a_topic(shelf: Shelf) -> None:
    def values(*words: str) -> list[bytes]:
        return shelf.run("t", *words)[0].splitlines()[:2]

    assert values("--start", "1", "--end", "3") == [b"two", b""]
    assert values("--start", "-3", "--end", "-2") == [b"two"]
    assert values("--start", "@1970-01-01T00:00:02Z", "--end", "@3000000000000") == [b"two", b""]
    assert values("--start", "@2000") == []  # seconds
    assert values("--start=-1h") == []
    assert values("-p", "0", "--end", "1") == [b"one"]
    assert "partition 1" in shelf.run("t", "-p", "1", code=Exit.NOT_FOUND)[1]
    assert values("--start", "2024-01-01", "--end", "2999-01-01T12:00") == []
    assert values("--start", "1969-12-01", "--end", "2000-01-01") == values()
    assert "no place in a topic" in shelf.run("t", "--start", "soon", code=Exit.USAGE)[1]
    assert "has offsets 0 to 4" in shelf.run("t", "--start", "9", code=Exit.FAILED)[1]


def test_what_cannot_be_is_told_in_a_sentence(shelf: Shelf) -> None:
    shelf.run("t", shelf.path("a.txt"))
    assert "--force replaces it" in shelf.run("t", shelf.path("a.txt"), code=Exit.FAILED)[1]
    shelf.run("t", "--force", shelf.path("a.txt"))
    assert "no topic" in shelf.run("x", code=Exit.NOT_FOUND)[1]
    assert export.run(["t", "--data", shelf.path("x")]) == Exit.NOT_FOUND
    assert "name one" in shelf.run("t", "--format", "parquet", code=Exit.USAGE)[1]
    assert "compression" in shelf.run("t", "--compression", "lz4", code=Exit.USAGE)[1]
    assert "no column" in shelf.run("t", "--format", "arrow", "--columns", "x", code=Exit.USAGE)[1]
    assert "--columns is for tables" in shelf.run("t", "--columns", "key", code=Exit.USAGE)[1]
    assert sorted(os.listdir(shelf.root)) == ["a.txt", "data"]


def test_beside_a_running_broker_it_is_what_consume_prints(broker: BrokerProcess) -> None:
    def run(*words: str, stdin: bytes = b"") -> bytes:
        command = [sys.executable, "-m", "meghna", *words]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=True)
        return done.stdout

    at = ("-b", broker.bootstrap)
    run("topic", "create", "t", *at)
    run("produce", "t", "-f", r"%k\t%v", *at, stdin=b"k\tone\nk\ttwo\n")
    consumed = run("consume", "t", "--exit-at-end", "-O", "ndjson", *at)
    assert run("export", "t", "--format", "ndjson", "--data", str(broker.data)) == consumed
    assert len(json.loads(consumed.splitlines()[1])) == 7
