"""Meghna beside its peers: alternates them row by row and prints how they compare.

    python -m benchmarks.library [--rows NAME,NAME] [--runs 5] [--small] [--plot FILE.svg]

Everything runs on one thread, in a folder on the disk in question. Results go to
`build/bench/library.json`. Exit status: 0 all targets held, 1 some did not.
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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Before the libraries are loaded, which ask for it then.
os.environ["POLARS_MAX_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

from benchmarks.library.plot import Bar, Panel, plot
from benchmarks.library.rows import ROWS, Inventory, Row, Sample, measure

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "bench"
RUNS_OF_THE_SLOW = 3
PEERS = ("pyarrow", "polars", "lmdb", "rocksdict", "duckdb", "aiokafka", "numpy")


@dataclass(slots=True)
class Outcome:
    row: Row
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def best(self, store: str) -> Sample:
        return max(self.samples[store], key=lambda sample: sample.rate)

    def ours(self) -> list[str]:
        return [store for store in self.samples if is_ours(store)]

    def peers(self) -> list[str]:
        """The fastest first."""
        stores = [store for store in self.samples if not is_ours(store)]
        return sorted(stores, key=lambda store: -self.best(store).rate)

    def is_far_behind(self, store: str) -> bool:
        """More runs would tell no more of it, and take long."""
        if len(self.samples.get(store, ())) < RUNS_OF_THE_SLOW:
            return False
        return self.best(store).rate * 5 < max(self.best(each).rate for each in self.samples)

    def held(self) -> bool:
        first = self.best(self.ours()[0]).rate
        return self.row.target is None or first >= self.row.target


def is_ours(store: str) -> bool:
    return store.startswith("Meghna")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.library")
    parser.add_argument("--rows", default="", help="names, separated by commas; default all")
    parser.add_argument("--runs", type=int, default=5, help="of each row and store")
    parser.add_argument("--small", action="store_true", help="few records: only to see it work")
    parser.add_argument("--only", default="", help="stores whose names begin so, to profile one")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    parser.add_argument("--plot", type=Path, help="where to write the plot, as SVG")
    parser.add_argument("--folder", type=Path, default=FOLDER / "library", help="on which disk")
    return parser.parse_args()


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


def run_row(row: Row, inventory: Inventory, arguments: argparse.Namespace) -> Outcome:
    """Alternates the stores; every other time in the other order."""
    outcome = Outcome(row)
    inputs = inventory.of(row)
    say(f"{row.name}: {row.what}; load average {os.getloadavg()[0]:.1f}")
    stores = [store for store in row.jobs if store.startswith(arguments.only)]
    for run in range(arguments.runs):
        for store in stores if run % 2 == 0 else reversed(stores):
            if store in outcome.missing or outcome.is_far_behind(store):
                continue
            try:
                sample = measure(row.jobs[store], inputs, arguments.folder)
            except ModuleNotFoundError as error:
                outcome.missing.add(store)
                say(f"  {store}: {error}")
                continue
            outcome.samples.setdefault(store, []).append(sample)
    for store in stores:
        if store in outcome.samples:
            best = outcome.best(store)
            rates = " ".join(f"{sample.rate / 1e6:.2f}" for sample in outcome.samples[store])
            say(f"  {store:20} {shown(best):>8} M/s, {best.cpu:.3f} CPU s/M  ({rates})")
    return outcome


def shown(sample: Sample) -> str:
    """Millions of records a second."""
    millions = sample.rate / 1e6
    return f"{millions:.1f}" if millions >= 10 else f"{millions:.2f}"


def with_cpu(outcome: Outcome, store: str) -> str:
    """And the least CPU seconds that a million took."""
    cpu = min(sample.cpu for sample in outcome.samples[store])
    return f"{shown(outcome.best(store))} ({cpu:.3f})"


def table(outcomes: list[Outcome]) -> str:
    lines = [
        "| row | what | Meghna | peers, the fastest first | x the fastest | target | held |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for outcome in outcomes:
        row, peers = outcome.row, outcome.peers()
        ours = ", ".join(
            f"{store.removeprefix('Meghna').removeprefix(', ')} {with_cpu(outcome, store)}".strip()
            for store in outcome.ours()
        )
        first = outcome.best(outcome.ours()[0]).rate
        cells = (
            row.name,
            row.what,
            ours,
            ", ".join(f"{store} {with_cpu(outcome, store)}" for store in peers),
            f"{first / outcome.best(peers[0]).rate:.1f}" if peers else "-",
            f">= {row.target / 1e6:g}" if row.target else "-",
            ("yes" if outcome.held() else "NO") if row.target else "-",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def panels(outcomes: list[Outcome]) -> list[Panel]:
    return [
        Panel(
            outcome.row.what,
            [
                Bar(store, outcome.best(store).rate / 1e6, is_ours(store))
                for store in [*outcome.ours(), *outcome.peers()]
            ],
            outcome.row.target / 1e6 if outcome.row.target else None,
        )
        for outcome in outcomes
    ]


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def write_results(outcomes: list[Outcome]) -> Path:
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    results = {
        "commit": commit.stdout.strip(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": platform.release(),
        "processors": os.cpu_count(),
        "load_average": os.getloadavg(),
        "versions": {name: installed(name) for name in PEERS},
        "rows": [
            {
                "name": outcome.row.name,
                "what": outcome.row.what,
                "target": outcome.row.target,
                "samples": {
                    store: [asdict(sample) for sample in samples]
                    for store, samples in outcome.samples.items()
                },
            }
            for outcome in outcomes
        ],
    }
    path = FOLDER / "library.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    return path


def use_one_thread() -> None:
    import pyarrow as pa  # noqa: PLC0415

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def main() -> int:
    arguments = parse_arguments()
    if arguments.list:
        for row in ROWS:
            sys.stdout.write(f"{row.name:16} {row.what}\n")
        return 0
    use_one_thread()
    wanted = {name for name in arguments.rows.split(",") if name}
    inventory = Inventory(small=arguments.small)
    rows = [row for row in ROWS if not wanted or row.name in wanted]
    outcomes = [run_row(row, inventory, arguments) for row in rows]
    versions = ", ".join(f"{name} {installed(name)}" for name in PEERS)
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    sys.stdout.write(
        f"Millions of records a second, best of {arguments.runs}, in parentheses CPU seconds for a "
        f"million; load average {load}; "
        f"{versions}\n\n{table(outcomes)}\n"
    )
    say(f"written to {write_results(outcomes)}")
    if arguments.plot is not None:
        arguments.plot.write_text(plot("Millions of records a second", panels(outcomes)))
    return 0 if all(outcome.held() for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
