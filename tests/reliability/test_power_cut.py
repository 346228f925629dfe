"""Power cuts of a real file system under load: what was acknowledged is there, once, in order.

The work is done by `support.power_cuts` (a whole broker under acks=all producers, commits, topics
that come and go) and `support.library_cuts` (flush="group"), each a process with a volume of its
own, several at once. MEGHNA_CUT_COUNT says how many cuts in all (make power-cut-test),
MEGHNA_CUT_SEED repeats the moments, as far as threads let them be repeated.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.cut_load import Writer
from support.volume import KINDS, missing

COUNT = int(os.environ.get("MEGHNA_CUT_COUNT", "60"))
SEED = int(os.environ.get("MEGHNA_CUT_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
_TESTS = Path(__file__).parent.parent
_LIAR = "int fdatasync(int d) { (void)d; return 0; } int fsync(int d) { return fdatasync(d); }"

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(300 + 2 * COUNT)]


def kinds() -> list[str]:
    found = [kind for kind in KINDS if not missing(kind)]
    if not found:
        pytest.skip("no volume to cut the power of: " + "; ".join(missing(kind) for kind in KINDS))
    return found


def start(
    program: str, kind: str, count: int, seed: int, **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"support.{program}", kind, str(count), str(seed)],
        cwd=_TESTS,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def cut_all(program: str, count: int, *, each: int) -> None:
    """`count` cuts, by `each` processes a kind of volume; what they did is printed."""
    volumes = kinds() * each
    print(f"MEGHNA_CUT_SEED={SEED}, volumes: {', '.join(volumes)}")
    began = time.monotonic()
    processes = [
        start(program, kind, -(-count // len(volumes)), SEED + number)
        for number, kind in enumerate(volumes)
    ]
    told = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, told, strict=True):
        assert process.returncode == 0, errors[-4000:]
    figures = [json.loads(output) for output, _ in told]
    seconds = time.monotonic() - began
    cuts = sum(each["cuts"] for each in figures)
    assert cuts >= count
    records = sum(each["records"] for each in figures)
    changes = sum(each.get("changes", 0) for each in figures)
    print(
        f"{program}: {cuts} cuts in {seconds:.0f} s, {records} records and {changes} changes "
        "acknowledged, all there"
    )


def test_a_broker_keeps_what_it_acknowledged() -> None:
    cut_all("power_cuts", COUNT, each=2)


def test_the_library_keeps_what_it_promised() -> None:
    cut_all("library_cuts", max(COUNT // 5, 20), each=1)


@pytest.mark.parametrize("program", ["power_cuts", "library_cuts"])
def test_a_disk_that_lies_is_found_out(program: str, tmp_path: Path) -> None:
    """The rig itself: with an fsync that does nothing, records are missed before long."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    liar = tmp_path / "liar.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", str(liar)],
        input=_LIAR,
        text=True,
        check=True,
    )
    process = start(program, kinds()[0], 30, SEED, LD_PRELOAD=str(liar))
    _, errors = process.communicate()
    assert process.returncode != 0, "nothing was missed"
    assert "AssertionError" in errors, errors[-4000:]


def test_the_check_notices_a_lost_a_moved_and_a_doubled_record() -> None:
    writer = Writer(0, random.Random(1), is_idempotent=False)
    writer._held = [0, 1, 2, 3]
    writer._compare([(0, 0, 2), (2, 2, 2)])
    for told in [(3, 3, 2)], [(1, 2, 1)], [(4, 4, 1)]:
        with pytest.raises(AssertionError):
            writer._compare(told)
