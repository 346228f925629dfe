"""meghna log: what we and Kafka wrote is sound, each kind of fault is named, a repair mends it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import meghna
from meghna.cli.log import run
from meghna.cli.log_dump import Range
from meghna.cli.log_finding import FAULT
from meghna.cli.log_partition import Known
from meghna.cli.log_paths import find
from meghna.cli.log_repair import Step
from meghna.cli.log_root import look
from meghna.cli.log_segment import Segment
from meghna.cli.log_side_files import SideFileError, read_aborted
from meghna.cli.log_stats import rows
from meghna.cli.log_verify import Survey, survey
from meghna.cli.outcome import Exit
from meghna.storage.directory import DataDirectory

if TYPE_CHECKING:
    from collections.abc import Callable

KAFKA = Path(__file__).parents[1] / "fixtures" / "kafka_log"
FIRST = "00000000000000000000.log"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
RECORDS = 200


def value(number: int) -> bytes:
    return b"value %d " % number * (number % 20)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a topic a codec and one of several segments, closed cleanly."""
    path = tmp_path_factory.mktemp("written") / "data"
    with meghna.open(str(path)) as log:
        for codec in CODECS:
            topic = log.topic(codec, create=True, compression=codec)
            for begin in range(0, RECORDS, 20):
                topic.append_many([(b"k%d" % n, value(n)) for n in range(begin, begin + 20)])
        topic = log.topic("many", create=True, settings={"index.interval.bytes": 500})
        for number in range(60):
            topic.append_many([(None, value(number))])
    return path


@pytest.fixture
def data(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "data"))


class Told:
    """Runs the command and takes apart what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.notes = ""

    def __call__(self, *words: str | Path, code: int = Exit.OK) -> list[str]:
        assert run([str(word) for word in words]) == code
        captured = self._capsys.readouterr()
        self.notes = captured.err
        return captured.out.splitlines()

    def rows(self, *words: str | Path, code: int = Exit.OK) -> list[dict[str, object]]:
        return [json.loads(line) for line in self(*words, "-O", "ndjson", code=code)]

    def faults(self, path: Path) -> list[dict[str, object]]:
        assert run(["verify", str(path), "-q", "-O", "ndjson"]) in (Exit.OK, Exit.FAILED)
        told = [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        return [row for row in told if row["severity"] == FAULT]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(capsys)


# ---- verify ----


def test_what_we_wrote_has_no_fault(written: Path, tell: Told) -> None:
    assert tell("verify", written) == []
    assert "no faults" in tell.notes
    assert "MB/s" in tell.notes
    (summary,) = tell.rows("verify", written)
    assert summary["faults"] == 0
    assert summary["records"] == RECORDS * len(CODECS) + 60 + metadata_records(written)


def metadata_records(path: Path) -> int:
    made = survey(find([str(path / "__cluster_metadata-0")]), deep=True)
    return made.count("records")


def test_what_kafka_wrote_has_no_fault(tell: Told) -> None:
    (summary,) = tell.rows("verify", KAFKA)
    assert summary["faults"] == 0
    assert summary["records"] == 396
    assert tell("verify", KAFKA / FIRST, "-q") == []


def test_a_path_that_is_not_there_is_4(tmp_path: Path, tell: Told) -> None:
    tell("verify", tmp_path / "nowhere", code=Exit.NOT_FOUND)
    tell("verify", tmp_path, code=Exit.NOT_FOUND)
    assert "neither a data directory" in tell.notes


def flip(path: Path, position: int, bit: int = 0) -> None:
    changed = bytearray(path.read_bytes())
    changed[position] ^= 1 << bit
    path.write_bytes(changed)


def test_the_mark_of_a_failed_fsync_is_a_fault_until_the_next_start(data: Path, tell: Told) -> None:
    mark = data / "none-0" / "meghna.fsync-failed"
    mark.touch()
    (fault,) = tell.faults(data)
    assert (fault["file"], fault["kind"]) == (str(mark), "fsync-failed")
    meghna.open(data).close()
    assert not mark.exists()
    assert tell.faults(data) == []


def test_a_flipped_bit_is_named_by_file_position_and_offset(data: Path, tell: Told) -> None:
    path = data / "none-0" / FIRST
    size = int.from_bytes(path.read_bytes()[8:12], "big") + 12
    flip(path, size + 100)
    (fault,) = tell.faults(data)
    assert fault["file"] == str(path)
    assert fault["kind"] == "damaged"
    assert fault["position"] == size
    assert fault["offset"] == 20
    lines = tell("verify", data, code=Exit.FAILED)
    assert f"position {size}  offset 20" in lines[0]
    assert "checksum" in lines[0]


@pytest.mark.parametrize(
    ("name", "change", "kind"),
    [
        ("many-0/" + FIRST, lambda d: d[:-7], "torn"),
        ("many-0/" + FIRST, lambda d: d + bytes(1000), "torn"),
        ("many-0/00000000000000000000.index", lambda d: d[:4] + b"\0\0\0\7" + d[8:], "index-entry"),
        ("many-0/00000000000000000000.index", lambda d: d[:-3], "size"),
        ("many-0/00000000000000000000.timeindex", lambda d: b"\1" + d[1:], "times-entry"),
        ("many-0/00000000000000000060.snapshot", lambda d: d[:-1] + b"\7", "snapshot"),
        ("many-0/leader-epoch-checkpoint", lambda d: d + b"x", "epochs"),
        ("many-0/leader-epoch-checkpoint", lambda _: b"0\n1\n0 99\n", "epochs"),
        ("many-0/partition.metadata", lambda d: d[:-4], "topic-id"),
        ("many-0/partition.metadata", lambda d: d[:-22] + b"A" * 20 + b"Ag", "topic-id"),
        ("recovery-point-offset-checkpoint", lambda d: d.replace(b"many 0 60", b"many 0 61"),
         "checkpoint"),
        ("recovery-point-offset-checkpoint", lambda d: d[1:], "checkpoint"),
        ("meta.properties", lambda _: b"", "identity"),
    ],
)  # fmt: skip
def test_each_file_is_held_against_the_others(
    data: Path, tell: Told, name: str, change: Callable[[bytes], bytes], kind: str
) -> None:
    path = data / name
    path.write_bytes(change(path.read_bytes()))
    faults = tell.faults(data)
    assert kind in [fault["kind"] for fault in faults]
    assert str(path) in [fault["file"] for fault in faults]


@pytest.mark.parametrize("codec", CODECS[1:])
def test_compressed_records_are_opened(data: Path, tell: Told, codec: str) -> None:
    from meghna._native import batch  # noqa: PLC0415

    path = data / f"{codec}-0" / FIRST
    whole = path.read_bytes()
    first = batch.header(whole)
    torn = bytearray(whole[: first.size])
    torn[-1] ^= 0xFF
    torn[17:21] = batch.crc32c(bytes(torn[21:])).to_bytes(4, "big")  # its writer's fault
    path.write_bytes(bytes(torn) + whole[first.size :])
    kinds = {fault["kind"] for fault in tell.faults(data)}
    assert kinds <= {"compressed", "records", "record-offset", "timestamp"}
    assert tell("verify", "-q", "--no-deep", data) == []


def test_a_batch_that_is_gone_is_a_gap(data: Path, tell: Told) -> None:
    path = data / "none-0" / FIRST
    whole = path.read_bytes()
    size = int.from_bytes(whole[8:12], "big") + 12
    path.write_bytes(whole[size:])
    kinds = {fault["kind"]: fault for fault in tell.faults(data)}
    assert kinds["gap"]["message"] == "offsets 0 to 19 are missing"


def test_names_that_do_not_belong_are_told(data: Path, tell: Told) -> None:
    (data / "many-0" / "foo.log").touch()
    (data / "many-0" / "notes.txt").touch()
    (data / "many-0" / "00000000000000000099.index.deleted").touch()
    (data / "elsewhere").mkdir()
    told = {
        Path(str(row["file"])).name: row["severity"]
        for row in tell.rows("verify", data, "-q", code=Exit.FAILED)
    }
    assert told == {
        "foo.log": "fault",
        "notes.txt": "note",
        "00000000000000000099.index.deleted": "note",
        "elsewhere": "fault",
    }


def test_an_epoch_that_a_kill_kept_from_the_checkpoint_is_a_note(
    data: Path, tmp_path: Path, tell: Told
) -> None:
    (data / ".kafka_cleanshutdown").unlink()
    killed = tmp_path / "killed"
    with meghna.open(str(data)) as log:
        log.topic("many").append(b"v")
        shutil.copytree(data, killed)
    epochs = killed / "many-0" / "leader-epoch-checkpoint"
    (told,) = [row for row in tell.rows("verify", "-q", killed) if row["kind"] == "epochs"]
    assert (told["severity"], told["offset"], told["file"]) == ("note", 60, str(epochs))
    meghna.open(str(killed)).close()
    assert tell("verify", "-q", killed) == []
    epochs.write_bytes(b"0\n1\n0 0\n")
    (fault,) = tell.faults(killed)  # a clean stop writes all of them
    assert fault["kind"] == "epochs"
    (killed / ".kafka_cleanshutdown").unlink()
    epochs.write_bytes(b"0\n2\n0 0\n5 60\n")  # above the batch's: not what a kill leaves
    (fault,) = tell.faults(killed)
    assert fault["offset"] == 60


def test_a_partition_that_is_gone_is_named(data: Path, tell: Told) -> None:
    shutil.rmtree(data / "zstd-0")
    (fault,) = tell.faults(data)
    assert fault["kind"] == "missing"
    assert str(fault["message"]).startswith("zstd-0 is named")


def test_who_holds_the_directory_is_told(data: Path, tell: Told) -> None:
    held = DataDirectory.take(str(data))
    try:
        tell("verify", data)
        assert "holds" in tell.notes
        assert "may be moving" in tell.notes
        tell("repair", data, code=Exit.FAILED)
        assert "in use by" in tell.notes
    finally:
        held.release()


def test_nothing_is_written(data: Path, tell: Told) -> None:
    before = {path: path.stat() for path in data.rglob("*")}
    tell("verify", data)
    tell("stats", data)
    tell("dump", data / "many-0")
    tell("repair", "--dry-run", data)
    for path, stat in before.items():
        assert path.stat().st_mtime_ns == stat.st_mtime_ns, path
    assert set(data.rglob("*")) == set(before)


def test_each_bit_of_a_transaction_index_counts(tmp_path: Path, tell: Told) -> None:
    copy = Path(shutil.copytree(KAFKA, tmp_path / "topic-0"))
    path = copy / "00000000000000000000.txnindex"
    size = len(path.read_bytes())
    assert size
    unseen = []
    for position in range(0, size, 3):
        flip(path, position, position % 8)
        if not tell.faults(copy):
            unseen.append(position % 34)
        flip(path, position, position % 8)
    assert all(field >= 26 for field in unseen), unseen  # a stable offset may lie further back
    path.write_bytes(b"")
    assert {fault["kind"] for fault in tell.faults(copy)} == {"aborted"}


# ---- repair ----


def test_a_repair_moves_damage_aside_and_leaves_no_fault(data: Path, tell: Told) -> None:
    path = data / "none-0" / FIRST
    before = path.read_bytes()
    size = int.from_bytes(before[8:12], "big") + 12
    flip(path, size + 100)
    flip(data / "many-0" / "00000000000000000000.index", 3)
    flip(data / "many-0" / "00000000000000000060.snapshot", 9)
    plan = {str(row["file"]): row["action"] for row in tell.rows("repair", "-n", data)}
    assert plan[str(path)] == "set aside"
    assert "bytes set aside, 0 of a torn tail cut" in "".join(tell("repair", data))
    assert tell.faults(data) == []
    (aside,) = (data / "none-0").glob("*.damaged")
    assert aside.name.startswith("00000000000000000000.20-40")
    length = int.from_bytes(before[size + 8 : size + 12], "big") + 12
    damaged = bytearray(before[size : size + length])
    damaged[100] ^= 1
    assert aside.read_bytes() == damaged
    assert path.read_bytes() == before[:size] + before[size + length :]
    assert list((data / "many-0").glob("*.snapshot.damaged"))
    with meghna.open(str(data), read_only=True) as log:
        assert [r.value for r in log.topic("many").read()] == [value(n) for n in range(60)]


def test_a_tail_is_kept_where_the_stop_was_clean_or_it_is_asked_for(data: Path, tell: Told) -> None:
    path = data / "many-0" / FIRST
    path.write_bytes(path.read_bytes() + b"x" * 100)
    tell("repair", data)
    (aside,) = (data / "many-0").glob("*.damaged")
    assert aside.read_bytes() == b"x" * 100
    (data / ".kafka_cleanshutdown").unlink()
    path.write_bytes(path.read_bytes() + b"y" * 100)
    tell("repair", "--set-aside-tail", data)
    assert sorted(p.read_bytes()[:1] for p in (data / "many-0").glob("*.damaged")) == [b"x", b"y"]
    path.write_bytes(path.read_bytes() + b"z" * 100)
    tell("repair", data)
    assert len(list((data / "many-0").glob("*.damaged"))) == 2
    assert tell.faults(data) == []


def test_a_copy_of_kafkas_partition_is_repaired(tmp_path: Path, tell: Told) -> None:
    copy = Path(shutil.copytree(KAFKA, tmp_path / "topic-0"))
    flip(copy / "00000000000000000134.log", 300)
    assert tell.faults(copy)
    tell("repair", copy)
    assert tell.faults(copy) == []


@pytest.mark.parametrize(
    "name", ["none-0/" + FIRST, "none-0/leader-epoch-checkpoint", "none-0/" + FIRST[:-3] + "index"]
)
def test_what_cannot_be_read_is_no_damage_and_nothing_changes(
    data: Path, tell: Told, name: str
) -> None:
    path = data / name
    path.unlink()
    path.mkdir()  # opens, and reads end with an error; root may read all else
    flip(data / "none-0" / "00000000000000000200.snapshot", 9)
    before = {each: each.stat() for each in data.rglob("*")}
    errors = [row for row in tell.rows("verify", data, "-q", code=1) if row["severity"] == "error"]
    assert str(data / "none-0") in str(errors[0]["file"])
    assert "s a directory" in str(errors[0]["message"])
    assert "error" in "".join(tell("verify", "-q", data, code=Exit.FAILED))
    tell("stats", data, code=Exit.FAILED)
    assert {row["action"] for row in tell.rows("repair", "-n", data, code=1)} == {"leave"}
    assert tell("repair", data, code=Exit.FAILED) == []
    assert "left: error" in tell.notes
    held = (".lock", ".kafka_cleanshutdown")
    for each, stat in before.items():
        if each.name not in held and each != data:
            assert each.stat().st_mtime_ns == stat.st_mtime_ns, each


def test_a_repair_needs_the_checkpoints(data: Path, tell: Told) -> None:
    (data / "recovery-point-offset-checkpoint").unlink()
    (data / "recovery-point-offset-checkpoint").mkdir()
    path = data / "many-0" / FIRST
    path.write_bytes(path.read_bytes() + b"x" * 100)
    before = path.read_bytes()
    assert tell("repair", data, code=Exit.FAILED) == []
    assert "nothing was changed" in tell.notes
    assert path.read_bytes() == before


POINTS = "recovery-point-offset-checkpoint"


@pytest.mark.parametrize("way", ["start", "repair", "repair of the partition"])
@pytest.mark.parametrize("cut", [20, None])  # bytes off the end, or the whole last batch
def test_an_end_that_was_acknowledged_is_kept(
    tmp_path: Path, tell: Told, way: str, cut: int | None
) -> None:
    data = tmp_path / "data"
    with meghna.open(str(data)) as log:
        for name in ("a", "b"):
            topic = log.topic(name, create=True)
            topic.append_many([(None, b"0"), (None, b"1")])
            size = (data / f"{name}-0" / FIRST).stat().st_size
            topic.append_many([(None, b"2"), (None, b"3")])
    path = data / "a-0" / FIRST
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut] if cut else whole[:size])
    checkpoints = {each: each.read_bytes() for each in data.glob("*-checkpoint")}
    assert tell.faults(data)

    def restart() -> None:
        with meghna.open(str(data)):
            pass

    if way == "start":
        restart()
    else:
        target = data / "a-0" if way.endswith("partition") else data
        actions = {str(row["file"]): row["action"] for row in tell.rows("repair", "-n", target)}
        assert actions.pop(str(data / POINTS)) == "keep"
        assert set(actions.values()) <= {"set aside", "rebuild"}
        tell("repair", target)
        assert {each: each.read_bytes() for each in checkpoints} == checkpoints
    for _ in range(2):
        names = sorted(each.name for each in data.rglob("*.damaged"))
        assert names == ["00000000000000000000.2-4.damaged"]
        assert tell.faults(data) == []
        tell("repair", data)
        restart()
    (data / POINTS).unlink()
    assert tell.faults(data) == []
    restart()
    assert tell.faults(data) == []
    assert b"a 0 4" in (data / POINTS).read_bytes()
    with meghna.open(str(data)) as log:
        assert log.topic("a").append(b"4").offset == 4
    assert tell.faults(data) == []


def test_offsets_that_cannot_be_leave_their_checkpoint_alone(data: Path, tell: Told) -> None:
    path = data / POINTS
    before = path.read_bytes().replace(b"many 0 60", b"many 0 99999999999")
    path.write_bytes(before.replace(b"none 0 200", b"none 0 99999999999"))
    tell("repair", data)
    assert b"many" not in path.read_bytes()
    assert b"none" not in path.read_bytes()
    assert b"gzip 0 200" in path.read_bytes()
    assert tell.faults(data) == []


# ---- dump, stats ----


def test_batches_are_dumped_in_kafkas_words(tell: Told) -> None:
    lines = tell("dump", KAFKA / FIRST)
    assert lines[1].startswith("baseOffset: 0 lastOffset: ")
    assert "compresscodec: " in lines[1]
    assert lines[1].endswith("isvalid: true")
    found = tell.rows("dump", KAFKA / FIRST)
    assert found[1]["base_offset"] == 0
    assert found[1]["isvalid"] is True


def test_records_are_dumped_between_two_offsets(data: Path, tell: Told) -> None:
    for codec in CODECS:
        path = data / f"{codec}-0"
        found = tell.rows("dump", "--records", "--start", "15", "--end", "45", path)[1:]
        assert [row["offset"] for row in found] == list(range(15, 45))
        assert [row["value"] for row in found] == [value(n).decode() for n in range(15, 45)]
    lines = tell("dump", "--records", data / "none-0")
    assert lines[1].startswith("| offset: 0 CreateTime: ")


@pytest.mark.parametrize(
    "name", ["{}.index", "{}.timeindex", "{}.txnindex", "leader-epoch-checkpoint"]
)
def test_other_files_are_dumped(tell: Told, name: str) -> None:
    path = KAFKA / name.format("00000000000000000000")
    assert len(tell("dump", path)) > 0
    assert tell.rows("dump", path)


def test_snapshots_are_dumped(tell: Told) -> None:
    (row, *_) = tell.rows("dump", KAFKA / "00000000000000000402.snapshot")
    assert "producer_id" in row


def test_a_dump_goes_on_behind_damage(data: Path, tell: Told) -> None:
    path = data / "none-0" / FIRST
    whole = path.read_bytes()
    size = int.from_bytes(whole[8:12], "big") + 12
    path.write_bytes(whole[:size] + b"\xff" * 20 + whole[size + 20 :])
    found = tell.rows("dump", path, code=Exit.FAILED)[1:]
    assert [row["base_offset"] for row in found] == [0, *range(40, RECORDS, 20)]
    assert f"position {size}" in tell.notes


def test_stats_add_up(written: Path, tell: Told) -> None:
    told = {str(row["partition"]): row for row in tell.rows("stats", written)}
    assert told["none-0"]["records"] == RECORDS
    assert told["none-0"]["end_offset"] == RECORDS
    assert told["many-0"]["null_keys"] == "100.00%"
    assert told["zstd-0"]["null_keys"] == "0.00%"
    histogram = told["gzip-0"]["value_bytes"]
    assert isinstance(histogram, dict)
    assert sum(histogram.values()) == RECORDS
    assert set(told["lz4-0"]["codecs"]) == {"lz4"}  # type: ignore[call-overload]
    assert "PARTITION" in tell("stats", written)[0]


def test_the_pieces_answer_for_themselves() -> None:
    assert Range(5, 10).has(0, 5)
    assert not Range(5, 10).has(10, 12)
    assert Step("cut", "a", "b").row()["action"] == "cut"
    assert look(find([str(KAFKA)])) is None
    assert Segment(3, None, 0).end_offset == 3
    with pytest.raises(SideFileError):
        read_aborted(b"x")
    assert rows(Survey(None)) == []
    assert not Known().is_plain
