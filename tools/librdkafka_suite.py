"""Runs librdkafka's own broker tests, one number a process, and compares with what is expected.

    librdkafka_suite.py [--against HOST:PORT] [--only 0001,0011] [--jobs 4]

The sources come with the npm package of @confluentinc/kafka-javascript and are built once into
build/librdkafka-suite. Without --against a fresh `meghna serve` with four partitions a topic is
started for the run, and beside it one that makes no topics by itself, for the tests that want
such. One number a process, because a failure or a time-out kills the process.

The result is a table (name, state, seconds) in build/librdkafka-suite/result.tsv. It is compared
with docs/conformance/librdkafka.tsv (name, state here, state on one node of Apache Kafka 4.3, why
not, what it waits for): an entry that should pass and does not is an error; one that passes against
expectation is told, so that the table follows. Only PASSED counts, and not when it took less than
3 ms: such a test found nothing to do, and says 0.000 s. The quickest that does something takes
11 ms here.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple, Self

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "librdkafka-suite"
SOURCE = BUILD / "package" / "deps" / "librdkafka"
EXPECTED = ROOT / "docs" / "conformance" / "librdkafka.tsv"
PACKAGE = "@confluentinc/kafka-javascript@1.10.1"
KAFKA_LIBS = Path(os.environ.get("MEGHNA_KAFKA_LIBS", ROOT / "build" / "kafka" / "libs"))

SECONDS_MAX = 240.0  # most take a few seconds, some about two minutes on two busy cores
# Many cases one after the other, which wait for rebalances; they start first.
SECONDS_LONG = {"0113": 900.0}
SECONDS_VACUOUS = 0.003
PARTITIONS = 4
KAFKA_VERSION = "4.0.0"
SHARE_KAFKA_VERSION = "4.2.0"  # share groups are tested from this version on
SHARE_NUMBERS = range(170, 191)
# Tests of which some cases want topics not to be created by themselves.
NO_AUTO_CREATE = "noautocreate"
SCENARIOS = {
    "0045": ("default", NO_AUTO_CREATE),
    "0107": (NO_AUTO_CREATE,),
    "0111": (NO_AUTO_CREATE,),
}

# The suite calls Kafka's shell commands; these run Apache's own classes.
SHELL_COMMANDS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
}


class Entry(NamedTuple):
    name: str
    state: str
    seconds: float


def build() -> None:
    """Fetch and build the suite unless it is there."""
    runner = SOURCE / "tests" / "test-runner"
    if not runner.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        jobs = f"-j{os.cpu_count()}"
        for command, where in (
            (f"npm pack --silent {PACKAGE} && tar xzf confluentinc-*.tgz", BUILD),
            ("./configure", SOURCE),
            (f"make {jobs} libs", SOURCE),
            (f"make {jobs} -C tests build", SOURCE),
        ):
            with (BUILD / "build.log").open("ab") as log:
                subprocess.run(command, shell=True, cwd=where, stdout=log, stderr=log, check=True)
    programs = BUILD / "kafka" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, main_class in SHELL_COMMANDS.items():
        path = programs / name
        path.write_text(f"#!/bin/bash\nexec java -cp '{KAFKA_LIBS}/*' {main_class} \"$@\"\n")
        path.chmod(0o755)


def numbers() -> list[str]:
    """The numbers of which some entry needs a broker and runs without being asked by name."""
    text = (SOURCE / "tests" / "test.c").read_text()
    table = text[text.index("struct test tests[] = {") :]
    found = set()
    for name, flags in re.findall(r"\b_TEST\((\d{4}\w*),\s*([^),]+)", table):
        if not re.search(r"TEST_F_LOCAL|TEST_F_MANUAL", flags):
            found.add(name[:4])
    return sorted(found)


def run_number(number: str, bootstrap: str, scenario: str) -> list[Entry]:
    """One process; its own table of results, or how it died."""
    tests = SOURCE / "tests"
    name = number if scenario == "default" else f"{number}@{scenario}"
    work = BUILD / "run" / name
    work.mkdir(parents=True, exist_ok=True)
    settings = work / "test.conf"
    settings.write_text(f"bootstrap.servers={bootstrap}\nbroker.address.family=v4\n")
    is_share = int(number) in SHARE_NUMBERS
    environment = os.environ | {
        "LD_LIBRARY_PATH": f"{SOURCE / 'src'}:{SOURCE / 'src-cpp'}",
        "RDKAFKA_TEST_CONF": str(settings),
        "TESTS": number,
        "TEST_KAFKA_VERSION": SHARE_KAFKA_VERSION if is_share else KAFKA_VERSION,
        "TEST_SCENARIO": scenario,
        "KAFKA_PATH": str(BUILD / "kafka"),
        "BROKERS": bootstrap,
    }
    began = time.monotonic()
    with (work / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(tests / "test-runner"), "-p1", "-L"],
            cwd=tests, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(SECONDS_LONG.get(number, SECONDS_MAX))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = 124
    seconds = time.monotonic() - began
    plain = re.sub(r"\x1b\[\d*m", "", (work / "log").read_text(errors="replace"))
    entries = []
    for label, state, taken, reason in re.findall(
        r"^\| +(\d{4}_\w+) +\| +(\w+) +\| +([\d.]+)s +\| *(.*?) *$", plain, re.MULTILINE
    ):
        if state == "SKIPPED" and not reason:
            continue  # an entry of another scenario
        is_vacuous = state == "PASSED" and float(taken) < SECONDS_VACUOUS
        entries.append(Entry(label, "SKIPPED" if is_vacuous else state, float(taken)))
    if code != 0 and not any(entry.state == "FAILED" for entry in entries):
        entries = [e for e in entries if e.state == "PASSED"]
        entries.append(Entry(number, f"rc={code if code >= 0 else 128 - code}", seconds))
    suffix = name[len(number) :]
    return [entry._replace(name=entry.name + suffix) for entry in entries]


class Brokers:
    """The brokers of a run, one a scenario; ended with it. Use as a context manager."""

    def __init__(self, directory: Path, *, against: str | None) -> None:
        self._directory = directory
        self._against = against
        self._started: dict[str, tuple[subprocess.Popen[bytes], str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for scenario, (process, _bootstrap) in self._started.items():
            is_alive = process.poll() is None
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
            print(f"broker ({scenario}) alive at the end: {'yes' if is_alive else 'NO'}")

    def bootstrap(self, scenario: str) -> str:
        if self._against is not None:
            return self._against
        if scenario not in self._started:
            self._started[scenario] = self._start(scenario)
        return self._started[scenario][1]

    def _start(self, scenario: str) -> tuple[subprocess.Popen[bytes], str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "KAFKA_NUM_PARTITIONS": str(PARTITIONS),
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": str(scenario != NO_AUTO_CREATE).lower(),
        }
        log_path = BUILD / f"broker-{scenario}.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "meghna.cli.main", "serve", "--listen", f"127.0.0.1:{port}",
                 "--data", str(self._directory / scenario)],
                env=os.environ | settings, stdout=log, stderr=log,
            )  # fmt: skip
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return process, f"127.0.0.1:{port}"
            if process.poll() is not None:
                break
            time.sleep(0.1)
        process.kill()
        raise SystemExit(f"the broker did not start; see {log_path}")


def expectations() -> dict[str, str]:
    if not EXPECTED.exists():
        return {}
    rows = (line.split("\t") for line in EXPECTED.read_text().splitlines())
    return {row[0]: row[1] for row in rows if len(row) > 1 and not row[0].startswith("#")}


def process_of(name: str) -> str:
    """What the entries of a process are listed as when it died: its number and its scenario."""
    _, at, scenario = name.partition("@")
    return name[:4] + at + scenario


def compared(results: list[Entry], *, is_whole: bool) -> int:
    """Tell what differs from the table; the number of entries that should pass and do not."""
    expected = expectations()
    states = {entry.name: entry.state for entry in results}
    missed = 0
    for name, state in expected.items():
        ran = name in states or (is_whole and name[:4] not in {n[:4] for n in states})
        died = states.get(process_of(name), "")
        if state == "PASSED" and (ran or died) and states.get(name, died) != "PASSED":
            missed += 1
            print(f"should pass: {name} {states.get(name, died or 'did not run')}")
    for name, state in states.items():
        known = expected.get(name, expected.get(process_of(name), "PASSED"))
        if state == "PASSED" and known != "PASSED":
            print(f"passes, contrary to {EXPECTED.name}: {name}")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", metavar="HOST:PORT", help="another broker")
    parser.add_argument("--only", default="", metavar="NUMBER,…", help="these numbers")
    parser.add_argument("--jobs", type=int, default=4)
    options = parser.parse_args()
    build()
    wanted = [number for number in options.only.split(",") if number]
    runs = [
        (number, scenario)
        for number in sorted(wanted or numbers(), key=lambda number: number not in SECONDS_LONG)
        for scenario in SCENARIOS.get(number, ("default",))
    ]
    results: list[Entry] = []
    with (
        tempfile.TemporaryDirectory() as directory,
        Brokers(Path(directory), against=options.against) as brokers,
        ThreadPoolExecutor(options.jobs) as pool,
    ):
        pending = [
            pool.submit(run_number, number, brokers.bootstrap(scenario), scenario)
            for number, scenario in runs
        ]
        for done in as_completed(pending):
            for entry in done.result():
                results.append(entry)
                print(*entry[:2], f"{entry.seconds:.1f}", sep="\t", flush=True)
    lines = [f"{e.name}\t{e.state}\t{e.seconds:.1f}\n" for e in sorted(results)]
    (BUILD / "result.tsv").write_text("".join(lines))
    passed = sum(entry.state == "PASSED" for entry in results)
    missed = compared(results, is_whole=not wanted)
    print(f"{passed} passed, {missed} that should have passed did not, of {len(results)} entries")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
