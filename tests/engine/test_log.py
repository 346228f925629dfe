"""Opening a data directory in a program: who may, what is made, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import meghna
from meghna.errors import ClosedError, ConfigError, NotFoundError
from meghna.storage import checkpoint
from meghna.storage.directory import DirectoryError, DirectoryLockedError

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_appended_is_there_after_a_reopening(tmp_path: Path) -> None:
    with meghna.open(tmp_path / "data") as log:
        log.topic("t", create=True, partitions=2).append(b"v", key=b"k", partition=1)
    with meghna.open(tmp_path / "data", create=False) as log:
        assert log.topics() == ["t"]
        (record,) = log.topic("t").read()
    assert (record.partition, record.offset, record.key, record.value) == (1, 0, b"k", b"v")


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with meghna.open(tmp_path):
        code = "import meghna, sys; meghna.open(sys.argv[1])"
        other = subprocess.run(
            [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
        )
        assert other.returncode == 1
        assert f"in use by process {os.getpid()}" in other.stderr
        with pytest.raises(DirectoryLockedError):
            meghna.open(tmp_path)
    meghna.open(tmp_path).close()


def test_a_foreign_directory_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DirectoryError, match="holds no Meghna or Kafka data"):
        meghna.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_is_not_there_is_not_made_against_the_will(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        meghna.open(tmp_path / "none", create=False)
    with pytest.raises(NotFoundError):
        meghna.open(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()


def test_a_topic_is_made_only_when_asked_for_and_a_near_name_is_told(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        log.topic("orders", create=True)
        with pytest.raises(NotFoundError, match="'ordres'; is it 'orders'"):
            log.topic("ordres")
        assert "orders" in log
        assert "ordres" not in log
        assert list(log) == ["orders"]
        assert log["orders"].name == "orders"


@pytest.mark.parametrize("name", ["", ".", "a b", "ü", "x" * 250])
def test_names_that_kafka_refuses_are_refused(tmp_path: Path, name: str) -> None:
    with meghna.open(tmp_path) as log, pytest.raises(ConfigError, match="Topic name is invalid"):
        log.topic(name, create=True)


def test_settings_are_kafkas_and_everything_is_kept_unless_told(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        log.topic("all", create=True)
        log.topic(
            "some",
            create=True,
            retention=timedelta(days=7),
            retention_size="10GB",
            compression="zstd",
            settings={"segment.bytes": 1 << 20},
        )
        holder = log._live()
        assert holder.settings("all") == {"retention.ms": "-1"}
        assert holder.settings("some") == {
            "retention.ms": "604800000",
            "retention.bytes": "10000000000",
            "compression.type": "zstd",
            "segment.bytes": "1048576",
        }
        with pytest.raises(ConfigError, match="there is no compression 'zip'"):
            log.topic("bad", create=True, compression="zip")
        with pytest.raises(ConfigError, match=r"retention\.sm"):
            log.topic("bad", create=True, settings={"retention.sm": 1})
        assert log.topics() == ["all", "some"]


def test_a_topic_that_is_there_with_other_settings_is_not_silently_taken(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        log.topic("t", create=True, partitions=2, retention="7d")
        log.topic("t", create=True, partitions=2, retention="7d")
        with pytest.raises(ConfigError, match="has 2 partitions, not 3"):
            log.topic("t", create=True, partitions=3)
        with pytest.raises(ConfigError, match=r"retention\.ms=604800000, not 86400000"):
            log.topic("t", retention="1d")
        log.configure("t", retention="1d", partitions=3)
        assert len(log.topic("t", retention="1d").partitions) == 3
        log.configure("t", settings={"retention.ms": None})
        assert log._live().settings("t") == {}
        with pytest.raises(ConfigError, match="can only have more"):
            log.configure("t", partitions=1)


def test_a_deleted_topic_is_gone_and_its_objects_say_so(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True)
        topic.append(b"v")
        log.delete_topic("t")
        with pytest.raises(ClosedError, match="topic 't' was deleted"):
            topic.append(b"v")
        assert log.topics() == []
        again = log.topic("t", create=True)
        assert len(again) == 0
        again.append(b"w")
    with meghna.open(tmp_path) as log:
        assert [record.value for record in log.topic("t")] == [b"w"]


def test_a_closed_log_says_so_whatever_is_asked(tmp_path: Path) -> None:
    log = meghna.open(tmp_path)
    topic = log.topic("t", create=True)
    topic.append(b"v")
    log.close()
    log.close()
    assert log.closed
    for ask in (log.topics, log.flush, topic.flush, lambda: topic.append(b""), lambda: len(topic)):
        with pytest.raises(ClosedError):
            ask()
    with pytest.raises(ClosedError):
        list(topic.read())


def test_a_crash_is_recovered_and_begins_a_new_leader_epoch(tmp_path: Path) -> None:
    code = (
        "import meghna, os, sys\n"
        "log = meghna.open(sys.argv[1])\n"
        "log.topic('t', create=True).append_many([b'%d' % i for i in range(1000)])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    with meghna.open(tmp_path) as log:
        topic = log.topic("t")
        assert [record.value for record in topic] == [b"%d" % i for i in range(1000)]
        topic.append(b"more")
        assert topic.partitions[0].log.latest_epoch == 1


def test_a_crash_leaves_little_to_check(tmp_path: Path) -> None:
    script = (
        "import os, sys, meghna\n"
        "log = meghna.open(sys.argv[1])\n"
        "topic = log.topic('t', create=True, settings={'segment.bytes': 1 << 20})\n"
        "for _ in range(400): topic.append_many([b'v' * 1000] * 100)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, check=False
    )
    assert died.returncode == -9, died.stderr
    points = checkpoint.read(str(tmp_path / checkpoint.RECOVERY_POINTS))
    assert points["t", 0] > 30_000
    with meghna.open(tmp_path) as log:
        assert log.topic("t").partitions[0].end == 40_000
        assert log.topic("t").partitions[0].log.report.scanned_size < 12_000_000


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import meghna, sys; print(sorted(m for m in sys.modules if 'arrow' in m or 'numpy' in m))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert shown.strip() == "[]"


def test_a_program_that_closes_nothing_leaves_a_clean_directory(tmp_path: Path) -> None:
    code = (
        "import meghna, sys\n"
        "log = meghna.open(sys.argv[1])\n"
        "log.topic('t', create=True).append(b'v')\n"
        "def keep(): return log\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert (tmp_path / ".kafka_cleanshutdown").exists()


def test_what_the_package_offers_is_there_and_what_it_does_not_is_not() -> None:
    for name in meghna.__all__:
        assert getattr(meghna, name) is not None
    assert set(meghna.__all__) <= set(dir(meghna))
    assert not [name for name in dir(meghna) if name.startswith("_") and name[:2] != "__"]
    assert meghna.errors.NotFoundError is meghna.NotFoundError
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        meghna.opne  # noqa: B018
