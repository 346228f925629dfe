"""A scan takes no more memory the larger the topic is.

`make large-scan` takes 20 GB of disk for it, GB= another size.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from memory.process_memory import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

GIGABYTES = float(os.environ.get("MEGHNA_SCAN_GB", "1"))
PROGRAM = Path(__file__).with_name("large_scan_program.py")
ANONYMOUS_MAX = 300 * MIB

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300 + 60 * GIGABYTES)]


def run(*arguments: object) -> str:
    environment = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, PROGRAM, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A place for a topic, empty again afterwards: pytest would keep it for a while."""
    path = tmp_path / "data"
    yield path
    shutil.rmtree(path)


def test_a_scan_of_much_takes_little_memory(data: Path) -> None:
    run("fill", data, GIGABYTES)
    for way in ("scan", "duckdb"):
        check(json.loads(run(way, data)))


def test_a_compressed_scan_takes_little_memory(data: Path) -> None:
    run("fill", data, min(GIGABYTES, 2), "zstd")
    check(json.loads(run("scan", data)))


def test_reading_records_takes_little_memory(data: Path) -> None:
    run("fill", data, min(GIGABYTES, 1))
    check(json.loads(run("count", data)))


def check(said: dict[str, Any]) -> None:
    print(
        f"{said['way']}: {said['rows']:,} records, {said['disk'] / 1e9:.1f} GB on disk, "
        f"{said['seconds']:.1f} s, {said['anonymous_peak'] / MIB:.0f} MiB anonymous at most"
    )
    assert said["anonymous_peak"] <= ANONYMOUS_MAX
