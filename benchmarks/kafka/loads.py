"""Runs the C load generators against a broker and reads their one line of JSON."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.kafka.brokers import Broker

TIMEOUT_SECONDS = 120.0


class LoadError(Exception):
    """A load could not be run, or the broker answered with errors, or what it kept is damaged."""


@dataclass(frozen=True, slots=True)
class Programs:
    load: Path
    rdkafka_load: Path | None  # only where librdkafka's development package is installed


def build_programs(root: Path) -> Programs:
    folder = root / "build" / "load"
    source = root / "benchmarks" / "load"
    for command in (
        ["cmake", "-S", str(source), "-B", str(folder), "-G", "Ninja"],
        ["cmake", "--build", str(folder)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LoadError(done.stdout + done.stderr)
    rdkafka = folder / "meghna-rdkafka-load"
    return Programs(folder / "meghna-load", rdkafka if rdkafka.exists() else None)


def run_load(
    program: Path, subcommand: str, broker: Broker, topic: str, options: Mapping[str, object]
) -> dict[str, float]:
    """The numbers that the load printed. Raises LoadError if its exit status is not 0."""
    command = [str(program), subcommand, "--port", str(broker.port), "--topic", topic]
    for name, value in options.items():
        if value is True:
            command.append(f"--{name}")
        elif value is not False:
            command += [f"--{name}", str(value)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as expired:
        raise LoadError(f"{subcommand}: longer than {TIMEOUT_SECONDS:g} s") from expired
    if done.returncode != 0:
        raise LoadError(f"{subcommand}: {(done.stderr or done.stdout).strip()}")
    printed = json.loads(done.stdout.splitlines()[-1])
    return {k: float(v) for k, v in printed.items() if isinstance(v, int | float)}
