"""Starts and stops the two brokers, each on loopback with a data directory of its own.

Both are made anew for a run, on the same file system. A broker is ended by its own process, never
by name.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STOP_SECONDS = 60.0
START_SECONDS = 60.0
# Kafka's own start script gives these; the heap is what the comparison is held at.
JVM_OPTIONS = (
    "-Xms1g",
    "-Xmx1g",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@dataclass(slots=True)
class Broker:
    """One broker: how it is started, and its process while it runs."""

    name: str
    command: Sequence[str]
    port: int
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_ns: int = 0

    @property
    def pid(self) -> int:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"{self.name} is not running; see {self.folder}.out")
        return self.process.pid

    def start(self) -> None:
        """Returns at once; `started_ns` is when the process was made, by CLOCK_MONOTONIC."""
        with self.folder.with_suffix(".out").open("ab") as out:
            self.started_ns = time.monotonic_ns()
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **self.environment},
            )

    def wait_listening(self) -> None:
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            _ = self.pid
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.name} does not listen; see {self.folder}.out")

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        return time.clock_gettime(_cpu_clock_of(self.pid))

    def resident_mb(self) -> float:
        """VmRSS, in 10^6 bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError(f"{self.name} has gone")


def _cpu_clock_of(pid: int) -> int:
    """The clock id that Linux gives to another process's CPU time (clock_getcpuclockid)."""
    return (~pid << 3) | 2


def open_kafka(libs: Path, folder: Path) -> Broker:
    """Formats a KRaft node. Settings are Kafka's defaults but for what a single node needs."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port, controller_port = free_ports(2)
    properties = folder / "server.properties"
    ones = (
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "transaction.state.log.min.isr",
        "share.coordinator.state.topic.replication.factor",
        "share.coordinator.state.topic.min.isr",
    )
    properties.write_text(
        "process.roles=broker,controller\n"
        "node.id=1\n"
        f"controller.quorum.voters=1@127.0.0.1:{controller_port}\n"
        f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n"
        f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n"
        "controller.listener.names=CONTROLLER\n"
        f"log.dirs={folder / 'data'}\n" + "".join(f"{name}=1\n" for name in ones)
    )
    java = ("java", *JVM_OPTIONS, "-cp", f"{libs}/*")
    tool = ("java", "-cp", f"{libs}/*", "kafka.tools.StorageTool")
    made = subprocess.run([*tool, "random-uuid"], capture_output=True, text=True, check=True)
    cluster_id = made.stdout.split()[-1]
    subprocess.run(
        [*tool, "format", "-t", cluster_id, "-c", str(properties)], capture_output=True, check=True
    )
    return Broker("kafka", [*java, "kafka.Kafka", str(properties)], port, folder)


def open_meghna(root: Path, folder: Path) -> Broker:
    """Defaults, but for port and directory."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (port,) = free_ports(1)
    serve = ("serve", "--listen", f"127.0.0.1:{port}", "--data", str(folder / "data"))
    script = root / ".venv" / "bin" / "meghna"
    if script.exists():
        return Broker("meghna", [str(script), *serve], port, folder)
    command = [sys.executable, "-m", "meghna.cli.main", *serve]
    return Broker("meghna", command, port, folder, {"PYTHONPATH": str(root / "src")})
