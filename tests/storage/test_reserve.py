"""The reserve's file: made where there is room, given up where there is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from meghna.storage import reserve
from meghna.storage.reserve import Reserve

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

GRAIN = 4096


def pretend(monkeypatch: pytest.MonkeyPatch, *, total: int, free: int) -> None:
    facts = list(os.statvfs("/"))
    facts[1], facts[2], facts[4] = GRAIN, total // GRAIN, free // GRAIN  # f_frsize, blocks, bavail
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(facts))


def test_it_is_held_while_there_is_room_and_given_up_when_little_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Reserve(str(tmp_path))
    total = reserve.SIZE * reserve.SHARE
    for free, is_held in [
        (reserve.SIZE * 2, False),
        (reserve.SIZE * 3, True),
        (reserve.SIZE, True),
        (reserve.SIZE - GRAIN, False),
        (reserve.SIZE * 2, False),
        (reserve.SIZE * 4, True),
    ]:
        pretend(monkeypatch, total=total, free=free)
        held.look()
        assert (tmp_path / reserve.NAME).exists() is is_held, f"{free} bytes are free"
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("."), "Kafka refuses to start over files that it does not know"
    assert file.stat().st_size == reserve.SIZE


def test_a_small_disk_gives_a_small_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, total=64 << 20, free=32 << 20)
    Reserve(str(tmp_path)).look()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size == 1 << 20


def test_a_disk_that_fails_is_not_told_here(tmp_path: Path) -> None:
    Reserve(str(tmp_path / "gone")).look()
