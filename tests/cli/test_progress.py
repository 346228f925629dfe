from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from meghna.cli.progress import Progress, rate, span

if TYPE_CHECKING:
    import pytest


def test_numbers_for_people() -> None:
    assert [rate(rows, 2) for rows in (10, 5_000, 9_000_000)] == [
        "5 rows/s", "2.5 k rows/s", "4.5 M rows/s",
    ]  # fmt: skip
    assert [span(seconds) for seconds in (0.25, 59.9, 3_671)] == ["0.2 s", "59.9 s", "1:01:11"]


def test_a_bar_is_drawn_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(*, quiet: bool) -> str:
        progress = Progress(quiet=quiet)
        progress.what = "a.csv"
        progress.rows = 1_000
        monkeypatch.setattr(time, "monotonic", lambda: clock[0])
        clock[0] += 1
        progress.draw(0.5)
        progress.draw(0.6)  # too soon
        progress.clear()
        return capsys.readouterr().err

    clock = [time.monotonic()]
    assert drawn(quiet=False) == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert drawn(quiet=True) == ""
    told = drawn(quiet=False)
    assert told.startswith("\ra.csv  [########--------]  50%  1,000 rows")
    assert "left" in told
    assert told.endswith("\r\x1b[K")
    assert "60%" not in told
