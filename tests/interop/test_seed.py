"""The two programs that the project was created from, unchanged, against a broker.

They say `localhost:9092`. Where that port is taken (by a broker that somebody runs), the same files
run with their text changed on the way into the interpreter, and only the port.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.broker import EXTERNAL, BrokerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]
SEEDS = Path(__file__).parent / "seeds"
SEED_PORT = 9092
EVENTS = 100
SETTLE_SECONDS = 1.5  # the last commit is on its way, and a record too many would show
RUN_WITH_PORT = """
import sys
import time
path, port = sys.argv[1:]
text = open(path).read()
assert text.count("localhost:9092") == 1
exec(compile(text.replace("localhost:9092", "localhost:" + port), path, "exec"))
"""


@pytest.fixture
def seed_broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    if EXTERNAL:
        pytest.skip("needs a broker of its own")
    with socket.socket() as probe:
        is_free = probe.connect_ex(("127.0.0.1", SEED_PORT)) != 0
    with BrokerProcess(tmp_path, port=SEED_PORT if is_free else 0) as process:
        yield process


def command(name: str, port: int) -> list[str]:
    if port == SEED_PORT:
        return [sys.executable, "-u", str(SEEDS / name)]
    return [sys.executable, "-u", "-c", RUN_WITH_PORT, str(SEEDS / name), str(port)]


def produced(port: int) -> list[str]:
    done = subprocess.run(
        command("producer.py", port), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()


def consumed(port: int) -> list[str]:
    """Runs the consumer until it has processed a hundred events, and tells those and any more."""
    with subprocess.Popen(
        command("consumer.py", port), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        try:
            while len(lines) < EVENTS and (line := process.stdout.readline()):
                lines.append(line.rstrip())
            time.sleep(SETTLE_SECONDS)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                rest, _ = process.communicate(timeout=30)
            finally:
                process.kill()
            lines += rest.splitlines()
        assert process.returncode == 0
    return lines


def test_the_seed_programs_run_unchanged(seed_broker: BrokerProcess) -> None:
    expected = [f"Processing: user.signup for user {1000 + i}" for i in range(EVENTS)]
    for round_number in range(2):  # the second consumer resumes where the first one committed
        lines = produced(seed_broker.port)
        assert sum(line.startswith("Delivered to user-events [") for line in lines) == EVENTS
        assert lines[-1] == "All messages produced"

        seed_broker.restart(kill=True)

        assert sorted(consumed(seed_broker.port)) == sorted(expected), f"round {round_number}"
        seed_broker.restart(kill=True)
