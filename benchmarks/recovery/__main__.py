"""Meghna beside Apache Kafka: the first acknowledgement after a crash with gigabytes of segments.

    python -m benchmarks.recovery [--gigabytes 5] [--runs 1]

Each broker takes the same load (acks=1, one partition) and is killed. Then, each beginning with a
SIGKILL of the running broker:

    killed      it is started again, the page cache as it is; afterwards all records are read
    power cut   nothing is known to have been synced (no recovery points), the last 64 KiB are
                noise, nothing is in memory: all segments have to be checked, from the disk

Kafka waits for its own old session to end before it answers, so what its log says about the logs
alone stands beside it. Needs Kafka's jars (`make bench-recovery` fetches them).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.kafka.brokers import open_kafka, open_meghna
from benchmarks.kafka.loads import Programs, build_programs, run_load

if TYPE_CHECKING:
    from benchmarks.kafka.brokers import Broker

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "bench" / "recovery"
TOPIC = "load"
RECORD_SIZE = 1000
NOISE_SIZE = 64 * 1024
# "Loaded 1 logs in 3456ms with unclean log dirs", and ours.
LOADED = re.compile(r"(?:Loaded|opened) \d+ logs in (\d+) ?ms")


class Outcome(NamedTuple):
    name: str
    crash: str
    first_ack_seconds: float
    logs_seconds: float
    gigabytes: float


def segments(broker: Broker) -> list[Path]:
    return sorted((broker.folder / "data" / f"{TOPIC}-0").glob("*.log"))


def size_of(broker: Broker) -> float:
    return sum(path.stat().st_size for path in segments(broker)) / 1e9


def kill(broker: Broker) -> None:
    process = broker.process
    assert process is not None, broker.name
    process.kill()
    process.wait()
    broker.process = None


def play_power_cut(broker: Broker) -> None:
    """What the disk could hold at worst: nothing is known to be synced, the end is noise."""
    (broker.folder / "data" / "recovery-point-offset-checkpoint").unlink(missing_ok=True)
    with segments(broker)[-1].open("r+b") as last:
        last.seek(-NOISE_SIZE, os.SEEK_END)
        last.write(os.urandom(NOISE_SIZE))
    for path in (broker.folder / "data").rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def logs_seconds(broker: Broker, after: int) -> float:
    """What the broker's own log says about opening the logs, in what was written after a place."""
    out = broker.folder.with_suffix(".out").read_bytes()[after:].decode(errors="replace")
    found = LOADED.findall(out)
    return int(found[-1]) / 1000 if found else float("nan")


def back(programs: Programs, broker: Broker, crash: str) -> Outcome:
    gigabytes = size_of(broker)
    after = broker.folder.with_suffix(".out").stat().st_size
    broker.start()
    numbers = run_load(programs.load, "first-ack", broker, TOPIC, {"since": broker.started_ns})
    return Outcome(broker.name, crash, numbers["ms"] / 1000, logs_seconds(broker, after), gigabytes)


def run(programs: Programs, broker: Broker, gigabytes: float) -> list[Outcome]:
    count = int(gigabytes * 1e9 / RECORD_SIZE)
    broker.start()
    broker.wait_listening()
    run_load(programs.load, "create", broker, TOPIC, {"partitions": 1})
    load = {"count": count, "record-size": RECORD_SIZE, "records-per-batch": 16, "acks": 1}
    written = run_load(programs.load, "produce", broker, TOPIC, {**load, "in-flight": 20})
    kill(broker)
    killed = back(programs, broker, "killed")
    say(killed)
    kept = run_load(programs.load, "verify", broker, TOPIC, {"partitions": 1})
    if kept["records"] < written["records"]:
        raise RuntimeError(f"{broker.name}: {kept['records']:.0f} of {written['records']:.0f} left")
    kill(broker)
    play_power_cut(broker)
    cut = back(programs, broker, "power cut")
    say(cut)
    broker.stop()
    return [killed, cut]


def say(outcome: Outcome) -> None:
    sys.stderr.write(f"  {outcome}\n")


def table(outcomes: list[Outcome]) -> str:
    lines = [
        "| crash | broker | segments | first acknowledgement | opening the logs |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.crash} | {one.name} | {one.gigabytes:.2f} GB | "
        f"{one.first_ack_seconds:.2f} s | {one.logs_seconds:.2f} s |"
        for one in sorted(outcomes, key=lambda each: (each.crash, each.name))
    ]
    return "\n".join(lines)


def told_more(broker: Broker, libs: Path) -> Broker:
    """The same broker, which says in its output how long opening the logs took."""
    if broker.name == "meghna":
        broker.command = [*broker.command, "--verbose"]
    else:
        java, *rest = broker.command
        classes = f"{libs}/*:{libs.parent / 'logging'}/*"
        rest = [classes if argument == f"{libs}/*" else argument for argument in rest]
        broker.command = [java, "-Dorg.apache.logging.log4j.level=INFO", *rest]
    broker.folder.with_suffix(".out").unlink(missing_ok=True)
    return broker


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.recovery")
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--only", choices=("kafka", "meghna"))
    parser.add_argument(
        "--libs",
        type=Path,
        default=Path(os.environ.get("MEGHNA_KAFKA_LIBS", ROOT / "build" / "kafka" / "libs")),
    )
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    programs = build_programs(ROOT)
    outcomes: list[Outcome] = []
    for _ in range(options.runs):
        for name in ("meghna", "kafka"):
            if options.only not in (None, name):
                continue
            broker = (
                open_meghna(ROOT, FOLDER / name)
                if name == "meghna"
                else open_kafka(options.libs, FOLDER / name)
            )
            broker = told_more(broker, options.libs)
            try:
                outcomes += run(programs, broker, options.gigabytes)
            finally:
                if broker.process is not None:
                    kill(broker)
                time.sleep(1)
    sys.stdout.write(table(outcomes) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
