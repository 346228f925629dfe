"""Apache Kafka from its jars: one KRaft node on the loopback, for tests; and its own tools.

The process is ended with the test, whatever happens. A restart keeps ports and data directory.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from support.broker import answers, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

LIBRARIES = Path(os.environ.get("MEGHNA_KAFKA_LIBS", "build/kafka/libs")).absolute()
READY_TIMEOUT_SECONDS = 120.0
STOP_TIMEOUT_SECONDS = 60.0
TOOL_TIMEOUT_SECONDS = 120.0

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def missing() -> str | None:
    """Why Kafka cannot be run here; None: it can."""
    if shutil.which("java") is None:
        return "no java"
    if not any(LIBRARIES.glob("kafka-tools-*.jar")):
        return f"no Kafka in {LIBRARIES} (make interop fetches it)"
    return None


def run_tool(main_class: str, *arguments: str) -> str:
    """The output, both streams, of one of Kafka's command line tools."""
    done = subprocess.run(
        ["java", "-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
         f"{LIBRARIES}/*", main_class, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TOOL_TIMEOUT_SECONDS,
        check=False,
    )  # fmt: skip
    text = done.stdout.decode(errors="replace")
    assert done.returncode == 0, text[-3000:]
    return text


class KafkaProcess:
    """Start, stop, kill and restart one Kafka. Use as a context manager."""

    def __init__(self, directory: Path, *, settings: Sequence[str] = ()) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.port = free_port()
        self._controller_port = free_port()
        self._settings = directory / "server.properties"
        directory.mkdir(parents=True, exist_ok=True)
        self.configure(settings)
        self._log = directory / "kafka.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if not self.data.exists():
            self.format()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def configure(self, settings: Sequence[str]) -> None:
        """Settings beside those that it needs; from the next start on."""
        text = _SETTINGS.format(
            port=self.port, controller_port=self._controller_port, data=self.data
        )
        self._settings.write_text(text + "".join(f"{line}\n" for line in settings))

    def format(self, *, cluster_id: str = "MkU3OEVBNTcwNTJENDM2Qg") -> None:
        run_tool("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._settings))

    def start(self) -> None:
        assert self._process is None, "it is already running"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["java", "-Xmx512M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                 f"{LIBRARIES}/*", "kafka.Kafka", str(self._settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not (self._listens() and answers(self.port)):
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"Kafka did not start:\n{self.log[-3000:]}")
            time.sleep(0.1)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """SIGTERM, and wait: the end that leaves the mark of a clean one."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None, "it is not running"
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
