from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meghna.cli import input_file
from meghna.cli.input_file import InputFile, format_of, producer_name, suffixes
from meghna.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    from pathlib import Path


def file(path: Path, content: bytes) -> InputFile:
    path.write_bytes(content)
    return InputFile(str(path))


def test_names_tell_formats_and_compression() -> None:
    assert [format_of(name) for name in ("a.log", "b.JSONL", "c.tsv.gz", "d.pq", "e.feather", "-")
            ] == ["lines", "ndjson", "csv", "parquet", "arrow", "lines"]  # fmt: skip
    assert suffixes("x/a.csv.zst") == (".csv", "zstd")
    with pytest.raises(CommandError, match="--format") as caught:
        format_of("README")
    assert caught.value.code == Exit.USAGE


def test_what_was_looked_at_is_read_again(tmp_path: Path) -> None:
    found = file(tmp_path / "a.txt", b"0123456789")
    assert found.head() == found.head() == b"0123456789"
    assert (found.read(4), found.read(), found.read()) == (b"0123", b"456789", b"")
    assert found.fraction() == 1.0
    found.close()


@given(st.text("ab\n", max_size=40), st.integers(1, 9), st.booleans())
def test_what_follows_the_last_line_is_left(
    tmp_path_factory: pytest.TempPathFactory, content: str, size: int, was_looked_at: bool
) -> None:
    found = file(tmp_path_factory.getbasetemp() / "left.txt", content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(input_file, "BLOCK_SIZE", 3)
        if was_looked_at:
            found.head()
        whole = content[: content.rfind("\n") + 1].encode()
        assert found.leave_unended(lambda _: False) == (len(whole) < len(content))
    assert b"".join(iter(lambda: found.read(size), b"")) == whole
    again = InputFile(found.path)
    rest = content.encode()[len(whole) :]
    assert not again.leave_unended(lambda line: line == rest)
    assert again.read() == content.encode()
    for each in (found, again):
        each.close()


def test_a_file_without_lines_and_a_compressed_one_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_file, "BLOCK_SIZE", 3)
    monkeypatch.setattr(input_file, "LINE_SIZE_MAX", 9)
    assert not file(tmp_path / "a.txt", b"x" * 20).leave_unended(lambda _: False)
    packed = file(tmp_path / "a.txt.gz", gzip.compress(b"one"))
    assert not packed.leave_unended(lambda _: False)
    assert packed.read() == b"one"


def test_gzip_of_several_members_is_opened_and_rubbish_is_told(tmp_path: Path) -> None:
    whole = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    assert file(tmp_path / "a.txt.gz", whole).read() == b"one\ntwo\n"
    for content in (whole[:30], b"one\n"):
        with pytest.raises(CommandError, match=r"b\.txt\.gz: "):
            file(tmp_path / "b.txt.gz", content).read()


def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    both = os.open(path, os.O_RDWR)
    found = InputFile(str(path))
    os.write(both, b"one\n")
    assert found.read() == b"one\n"  # though it has no end
    assert found.fraction() is None
    os.close(both)
    found.close()


def test_a_file_that_grew_is_the_same_and_one_that_begins_otherwise_is_not(tmp_path: Path) -> None:
    def name(content: bytes, *, lines: int | None = 1, form: str = "lines") -> str:
        with open(tmp_path / "a", "wb") as made:
            made.write(content)
        return producer_name(InputFile(str(tmp_path / "a")), form=[form], lines=lines)

    first = name(b"one\n")
    assert str(tmp_path / "a") in first
    assert name(b"one\ntwo\n") == first
    assert name(b"two\n") != first
    assert name(b"one\n", form="csv") != first
    assert name(b"head\n1\n", lines=2) != name(b"head\n2\n", lines=2)
    assert name(b"PAR1one", lines=None) != name(b"PAR1oneandmore", lines=None)
