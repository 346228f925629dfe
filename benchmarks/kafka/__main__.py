"""Meghna beside Apache Kafka: alternates the two over the rows and prints how they compare.

    python -m benchmarks.kafka [--rows NAME,NAME] [--runs 3] [--list]

Needs Kafka's jars (`make bench-kafka` fetches them), Java, cmake and gcc; the rows of librdkafka
need its development package. Results go to `build/bench/results.json`. Exit status: 0 all targets
held, 1 some did not, 2 could not be run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.kafka.brokers import Broker, open_kafka, open_meghna
from benchmarks.kafka.loads import LoadError, build_programs
from benchmarks.kafka.rows import LOAD_ROWS, START_ROWS, Bench, Row, Sample, warm

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "bench"
SECONDS_MAX = 12 * 60.0


@dataclass(slots=True)
class Outcome:
    row: Row
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def best(self, name: str) -> Sample | None:
        samples = self.samples.get(name)
        if not samples:
            return None
        choose = min if self.row.less_is_better else max
        return choose(samples, key=lambda sample: sample.value)

    def held(self) -> bool:
        kafka, meghna = self.best("kafka"), self.best("meghna")
        return kafka is not None and meghna is not None and self.row.held(kafka, meghna)

    def ratio(self) -> str:
        """How many times better Meghna is."""
        kafka, meghna = self.best("kafka"), self.best("meghna")
        if kafka is None or meghna is None:
            return "-"
        over, under = (kafka, meghna) if self.row.less_is_better else (meghna, kafka)
        return f"{over.value / under.value:.2f}" if under.value > 0 else "-"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.kafka")
    parser.add_argument("--rows", default="", help="names, separated by commas; default all")
    parser.add_argument("--runs", type=int, default=3, help="of each row and broker")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    parser.add_argument("--only", choices=("kafka", "meghna"), help="without the other, to profile")
    parser.add_argument(
        "--libs",
        type=Path,
        default=Path(os.environ.get("MEGHNA_KAFKA_LIBS", ROOT / "build" / "kafka" / "libs")),
        help="where Kafka's jars are",
    )
    return parser.parse_args()


def chosen(rows: tuple[Row, ...], names: str) -> list[Row]:
    wanted = {name for name in names.split(",") if name}
    return [row for row in rows if not wanted or row.name in wanted]


def run_row(bench: Bench, row: Row, brokers: list[Broker], runs: int, deadline: float) -> Outcome:
    """Alternates the brokers, the first of a pair taking turns."""
    outcome = Outcome(row)
    for run in range(min(runs, row.runs_max)):
        for broker in brokers if run % 2 == 0 else reversed(brokers):
            if broker.name in outcome.failures or time.monotonic() > deadline:
                continue
            try:
                sample = row.measure(bench, broker)
            except (LoadError, RuntimeError) as error:
                outcome.failures[broker.name] = str(error)
                say(f"  {row.name} on {broker.name}: {error}")
                continue
            outcome.samples.setdefault(broker.name, []).append(sample)
            say(f"  {row.name} on {broker.name}: {shown(sample, row.unit)}")
    return outcome


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


def shown(sample: Sample | None, unit: str) -> str:
    if sample is None:
        return "failed"
    value = f"{sample.value:,.0f}" if sample.value >= 100 else f"{sample.value:.2f}"
    cpu = "" if sample.cpu_per_million is None else f" ({sample.cpu_per_million:.3f} s/M)"
    return f"{value} {unit}{cpu}"


def table(outcomes: list[Outcome]) -> str:
    lines = [
        "Best of the runs; in parentheses the broker's CPU seconds for a million records.",
        "",
        "| row | what | Kafka | Meghna | times better | target | held |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for outcome in outcomes:
        row = outcome.row
        cells = (
            row.name,
            row.what,
            shown(outcome.best("kafka"), row.unit),
            shown(outcome.best("meghna"), row.unit),
            outcome.ratio(),
            row.target,
            "yes" if outcome.held() else "NO",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_results(outcomes: list[Outcome]) -> Path:
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    results = {
        "commit": commit.stdout.strip(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": platform.release(),
        "processors": os.cpu_count(),
        "rows": [
            {
                "name": outcome.row.name,
                "what": outcome.row.what,
                "unit": outcome.row.unit,
                "target": outcome.row.target,
                "held": outcome.held(),
                "failures": outcome.failures,
                "samples": {
                    name: [asdict(sample) for sample in samples]
                    for name, samples in outcome.samples.items()
                },
            }
            for outcome in outcomes
        ],
    }
    path = FOLDER / "results.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    return path


def measure_all(arguments: argparse.Namespace, brokers: list[Broker]) -> list[Outcome]:
    bench = Bench(build_programs(ROOT))
    deadline = time.monotonic() + SECONDS_MAX
    for broker in brokers:
        broker.start()
        broker.wait_listening()
    outcomes = [
        run_row(bench, row, brokers, arguments.runs, deadline)
        for row in chosen(START_ROWS, arguments.rows)
    ]
    rows = chosen(LOAD_ROWS, arguments.rows)
    if rows:
        say("  warming up")
        for broker in brokers:
            warm(bench, broker)
    outcomes += [run_row(bench, row, brokers, arguments.runs, deadline) for row in rows]
    return outcomes


def main() -> int:
    arguments = parse_arguments()
    if arguments.list:
        for row in (*START_ROWS, *LOAD_ROWS):
            sys.stdout.write(f"{row.name:16} {row.what}; {row.target}\n")
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    brokers: list[Broker] = []
    try:
        if arguments.only != "meghna":
            if not any(arguments.libs.glob("kafka_2.13-*.jar")):
                say(f"no Kafka in {arguments.libs}: make bench-kafka fetches it")
                return 2
            brokers.append(open_kafka(arguments.libs, FOLDER / "kafka"))
        if arguments.only != "kafka":
            brokers.append(open_meghna(ROOT, FOLDER / "meghna"))
        outcomes = measure_all(arguments, brokers)
    except (LoadError, RuntimeError) as error:
        say(str(error))
        return 2
    finally:
        for broker in brokers:
            broker.stop()
    sys.stdout.write(table(outcomes) + "\n")
    say(f"written to {write_results(outcomes)}")
    return 0 if all(outcome.held() for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
