"""What one thread gets through a partition's log: through the C core, and from Python.

    python benchmarks/bench_log.py [DIRECTORY]

DIRECTORY should lie on the disk in question (default: a temporary one here). Prints a line a case.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from meghna._native.batch import build
from meghna._native.log import Log, LogConfig

ROOT = Path(__file__).parents[1]
NOW_MS = 1_800_000_000_000
FOLDERS = ("log", "file", "batch", "base")


def run_native(directory: Path) -> None:
    """Compile the C part with optimisation, and run it."""
    program = directory / "bench_log"
    native = ROOT / "native"
    sources = [ROOT / "benchmarks" / "bench_log.c"]
    sources += [source for folder in FOLDERS for source in (native / folder).glob("*.c")]
    command = ["cc", "-std=c11", "-O2", "-D_GNU_SOURCE", "-fno-strict-aliasing", f"-I{native}"]
    subprocess.run([*command, *map(str, sources), "-o", str(program), "-lpthread"], check=True)
    subprocess.run([str(program), str(directory)], check=True)


def run_python(directory: Path) -> None:
    """The same calls through the binding."""
    cases = {
        "Python: 1,000 x 100 B a batch": (build([(None, b"v" * 90, (), NOW_MS)] * 1000), 5000),
        "Python: 1 record a batch": (build([(None, b"v" * 90, (), NOW_MS)]), 200000),
    }
    for number, (name, (batch, count)) in enumerate(cases.items()):
        with Log.open(str(directory / f"python-{number}"), LogConfig(), now_ms=NOW_MS) as log:
            begin = time.perf_counter()
            for _ in range(count):
                log.append(batch, now_ms=NOW_MS)
            took = time.perf_counter() - begin
            records = log.end_offset / took / 1e6
            print(f"{name:44} {records:8.2f} M records/s {log.size / took / 1e6:7.1f} MB/s")
            begin = time.perf_counter()
            offset = size = 0
            while data := log.read(offset):
                size += len(data)
                offset += (len(data) // len(batch)) * (log.end_offset // count)
            took = time.perf_counter() - begin
            print(f"{'  read back in pieces of 1 MB':44} {size / took / 1e6:26.1f} MB/s")


def main() -> None:
    where = sys.argv[1] if len(sys.argv) > 1 else "."
    with tempfile.TemporaryDirectory(dir=where) as name:
        run_native(Path(name))
        run_python(Path(name))


if __name__ == "__main__":
    main()
