"""An ingest that goes on for long holds no more at its end than at its beginning.

`make soak` runs it for an hour, SECONDS= for another time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from memory.process_memory import MIB

SECONDS = float(os.environ.get("MEGHNA_SOAK_SECONDS", "60"))
PROGRAM = Path(__file__).with_name("soak_program.py")

# Allocators keep what they were given back in places of their own for each thread; measured, that
# moves by 10 MiB. A leak of one small object a call is that in seconds.
GROWTH_MAX = 24 * MIB
ANONYMOUS_MAX = 400 * MIB
DISK_MAX = 600 * MIB

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + 300)]


def program_environment() -> dict[str, str]:
    """Arrow's memory from malloc, and few places of malloc's own: so that what is held is what is
    used, and the limit of what is reserved means something."""
    return dict(os.environ) | {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_TRIM_THRESHOLD_": str(MIB),
    }


def test_an_ingest_is_flat(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path / "data", str(SECONDS)],
        env=program_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    samples = [json.loads(line) for line in done.stdout.splitlines()]
    print("\n".join(str(each) for each in samples[:: max(len(samples) // 12, 1)]))
    assert done.returncode == 0
    last = samples[-1]
    assert min(last["appended"], last["scanned"], last["followed"], last["turns"]) > 0
    assert max(each["disk"] for each in samples) <= DISK_MAX
    # Retention has begun to delete and every thread had its turns after a third.
    begun, ended = samples[len(samples) // 3 : len(samples) // 2], samples[-len(samples) // 6 :]
    assert max(each["anonymous"] for each in samples) <= ANONYMOUS_MAX
    for name, growth_max in [("anonymous", GROWTH_MAX), ("descriptors", 20), ("mappings", 100)]:
        before, after = (median(each[name] for each in part) for part in (begun, ended))
        assert after - before <= growth_max, f"{name}: from {before} to {after}"
