"""Opening many logs: what has to be checked, and that whoever waits is told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from meghna._native import batch
from meghna._native.log import Log, LogConfig
from meghna.clock import SystemClock
from meghna.errors import Error
from meghna.storage import recovery
from meghna.storage.recovery import Job, open_logs, size_to_check

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CONFIG = LogConfig(segment_size_max=1000)


def unclean_job(path: Path, index: int, recovery_point: int = 0) -> Job:
    """A log of ten segments or so that nobody closed."""
    with_records = Log.open(str(path / f"t-{index}"), CONFIG, clean=True, now_ms=1)
    for _ in range(30):
        with_records.append(batch.build([(None, b"v" * 200, (), 5)]), now_ms=1)
    with_records.abandon()
    return Job(("t", index), with_records.path, CONFIG, False, recovery_point, 0)


def test_what_lies_above_the_recovery_point_is_checked(tmp_path: Path) -> None:
    whole = unclean_job(tmp_path, 0)
    size = sum(each.stat().st_size for each in (tmp_path / "t-0").glob("*.log"))
    assert size_to_check(whole) == size
    assert 0 < size_to_check(whole._replace(recovery_point=20)) < size
    assert size_to_check(whole._replace(clean=True)) == 0
    assert size_to_check(whole._replace(path=str(tmp_path / "none"))) == 0


def test_all_are_opened_and_progress_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recovery, "_TELL_SECONDS", 0)
    jobs = [unclean_job(tmp_path, index) for index in range(5)]
    (tmp_path / "t-5").write_text("no directory")
    jobs.append(jobs[0]._replace(partition=("t", 5), path=str(tmp_path / "t-5")))
    with caplog.at_level(logging.WARNING, logger=recovery.__name__):
        opened = dict(open_logs(jobs, threads=2, clock=SystemClock()))
    assert isinstance(opened.pop(("t", 5)), Error)
    for log in opened.values():
        assert isinstance(log, Log)
        assert log.end_offset == 30
        assert log.report.segments_scanned > 1
        log.abandon()
    assert len(opened) == 5
    assert "checking logs after an unclean stop" in caplog.text
