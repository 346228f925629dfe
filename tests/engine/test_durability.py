"""What each `flush` promises, seen from outside: by system calls, and by a process that dies."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import meghna

if TYPE_CHECKING:
    from pathlib import Path

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

BEGIN, END = "/nonexistent/begin", "/nonexistent/end"
PROLOGUE = f"""
import os, sys, threading, meghna, numpy as np, pyarrow as pa
log = meghna.open(sys.argv[1])
topic = log.topic("t", create=True)
topic.append_many([b"warm"] * 10, flush="group")
def begin(): os.access({BEGIN!r}, os.F_OK)
def end(): os.access({END!r}, os.F_OK)
"""
THREADS, CALLS = 8, 10
# fdatasync is made to last that long where threads are to meet in it.
SLOW_US = 10_000


def flushes(path: Path, work: str, *, slow: bool = False) -> int:
    """How often a program waited for the disk between `begin()` and `end()`."""
    trace = path / "trace"
    calls = "trace=fdatasync,fsync,sync_file_range,msync,?access,faccessat,faccessat2"
    command = ["strace", "-f", "-qq", "-o", str(trace), "-e", calls]
    if slow:
        command += ["-e", f"inject=fdatasync:delay_enter={SLOW_US}"]
    program = PROLOGUE + work + "\nlog.close()\n"
    subprocess.run(
        [*command, sys.executable, "-c", program, str(path / "data")], check=True, timeout=60
    )
    lines = trace.read_text().splitlines()
    (first,) = (number for number, line in enumerate(lines) if BEGIN in line)
    (last,) = (number for number, line in enumerate(lines) if END in line)
    waits = re.compile(r"\d+ +(fdatasync|fsync|sync_file_range|msync)\(")
    return sum(waits.match(line) is not None for line in lines[first:last])


@needs_strace
def test_none_waits_for_no_disk(tmp_path: Path) -> None:
    work = """
begin()
for number in range(50):
    topic.append(b"one")
    topic.append_many([b"value"] * 1000)
end()
"""
    assert flushes(tmp_path, work) == 0


@needs_strace
@pytest.mark.parametrize(
    "rows",
    ["[b'v' * 100] * 100_000", "np.full(100_000, b'v' * 100)", "pa.array([b'v' * 100] * 100_000)"],
    ids=["list", "numpy", "arrow"],
)
def test_group_waits_once_a_call(tmp_path: Path, rows: str) -> None:
    work = f"rows = {rows}\nbegin()\ntopic.append_many(rows, flush='group')\nend()"
    assert flushes(tmp_path, work) == 1


@needs_strace
@pytest.mark.parametrize(
    "rows",
    [
        "[b'v'] * 35_000",
        "np.full(35_000, b'v')",
        "pa.array([b'v'] * 35_000)",
        "iter([b'v'] * 35_000)",
    ],
    ids=["list", "numpy", "arrow", "iterable"],
)
def test_each_waits_once_a_piece(tmp_path: Path, rows: str) -> None:
    work = f"rows = {rows}\nbegin()\ntopic.append_many(rows, flush='each')\nend()"
    assert flushes(tmp_path, work) == 4


@needs_strace
def test_threads_that_wait_share_one_wait(tmp_path: Path) -> None:
    work = f"""
def run():
    for _ in range({CALLS}):
        assert topic.append(b"v", flush="group").is_durable
threads = [threading.Thread(target=run) for _ in range({THREADS})]
begin()
for thread in threads: thread.start()
for thread in threads: thread.join()
end()
assert len(topic) == 10 + {THREADS * CALLS}
"""
    # A call that comes while the disk is at it waits for this time and for the next one.
    assert CALLS <= flushes(tmp_path, work, slow=True) <= 3 * CALLS


@needs_strace
def test_waiting_later_flushes_what_is_not_yet_durable(tmp_path: Path) -> None:
    work = """
begin()
done = [topic.append(b"v") for _ in range(100)]
assert not any(each.is_durable for each in done)
done[50].wait()  # the log is one file: all that lies in it goes with it
assert all(each.is_durable for each in done)
for each in done: each.wait()
topic.flush()
log.flush()
end()
"""
    assert flushes(tmp_path, work) == 1


@needs_strace
def test_a_topic_can_wait_by_default(tmp_path: Path) -> None:
    work = """
topic = log.topic("t", flush="group")
begin()
topic.append(b"v")
topic.append(b"v", flush="none")
topic.append_many([b"v"] * 10)
end()
"""
    assert flushes(tmp_path, work) == 2


# --- death ------------------------------------------------------------------------------------

WRITER = """
import sys, meghna
log = meghna.open(sys.argv[1])
topic = log.topic("t", create=True, partitions=2, compression=sys.argv[2],
                  settings={"segment.bytes": 1024 * 1024})
number = (topic.position_of("job") or -1) + 1
print("opened", flush=True)
while True:
    rows = [b"%d " % (number + i) + b"." * 200 for i in range(50)]
    topic.append_many(rows, producer="job", position=number, partition=number // 50 % 2)
    number += 50
    print(number, flush=True)
"""


@pytest.mark.parametrize("compression", ["none", "lz4"])
def test_what_was_appended_survives_the_death_of_the_process(
    tmp_path: Path, compression: str
) -> None:
    """Killed again and again, in the middle of whatever it does; nothing is lost or doubled."""
    for turn in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), compression],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "opened\n"
            time.sleep(0.05 + 0.03 * turn)
            writer.send_signal(signal.SIGKILL)
            told = [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        with meghna.open(tmp_path) as log:
            topic = log["t"]
            found = sorted(int((r.value or b"").split()[0]) for r in topic.read())
            assert found == list(range(len(found)))
            assert len(found) >= max(told, default=0)
            assert (topic.position_of("job") or -1) + 1 == len(found)
            assert sum(partition.log.report.set_aside_size for partition in topic.partitions) == 0
