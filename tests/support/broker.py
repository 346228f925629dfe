"""A Meghna broker as a process of its own, on a free port of the loopback, for tests.

The process is ended with the test, whatever happens. `kill` is SIGKILL, as a crash would be;
`stop` is SIGTERM and waits for the drain. A restart keeps the port and the data directory, so that
clients find their broker again.

With MEGHNA_TEST_BOOTSTRAP=HOST:PORT the tests that need no restart run against another broker
(Apache Kafka, to prove the tests themselves).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

READY_TIMEOUT_SECONDS = 20.0
STOP_TIMEOUT_SECONDS = 20.0
EXTERNAL = os.environ.get("MEGHNA_TEST_BOOTSTRAP")
# ApiVersions, version 0, correlation id 1, no client id.
API_VERSIONS_FRAME = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int, *, timeout_seconds: float = 2.0) -> bool:
    """Whether something that speaks Kafka's protocol answers ApiVersions on the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(API_VERSIONS_FRAME)
            head = connection.recv(8, socket.MSG_WAITALL)
            return len(head) == 8 and struct.unpack(">ii", head)[1] == 1
    except OSError:
        return False


class BrokerProcess:
    """Start, stop, kill and restart one `meghna serve`. Use as a context manager."""

    def __init__(
        self,
        directory: Path,
        *,
        options: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        prefix: Sequence[str] = (),
        port: int = 0,
        data: Path | None = None,
    ) -> None:
        self.directory = directory
        self.data = data or directory / "data"
        self.port = port or free_port()
        self.log_path = directory / "broker.log"
        self._options = list(options)
        self._environment = dict(os.environ) | (environment or {})
        self._prefix = list(prefix)
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the broker is not running"
        return self._process

    @property
    def pid(self) -> int:
        """The broker's own pid, also when it runs under another program (strace)."""
        if not self._prefix:
            return self.process.pid
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children.split()[0])

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, *, wait: bool = True) -> None:
        assert self._process is None, "the broker is already running"
        self._log = self.log_path.open("ab")
        command = [sys.executable, "-m", "meghna.cli.main", "serve"]
        command += ["--listen", self.bootstrap, "--data", str(self.data), *self._options]
        self._process = subprocess.Popen(
            [*self._prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=self._environment,
        )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not answers(self.port):
            code = self.process.poll()
            if code is not None:
                self._forget()
                raise AssertionError(f"the broker ended with {code}:\n{self.log[-4000:]}")
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the broker is not ready:\n{self.log[-4000:]}")
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL: nothing in the process gets a last word."""
        if self._prefix and self.process.poll() is None:
            with contextlib.suppress(OSError, IndexError):  # it ended by itself
                os.kill(self.pid, signal.SIGKILL)
        else:
            self.process.kill()
        try:
            self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._forget()

    def stop(self) -> int:
        """SIGTERM: drain and leave the clean mark. Returns the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        code = self.process.wait(STOP_TIMEOUT_SECONDS)
        self._forget()
        return code

    def restart(self, *, kill: bool) -> None:
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()

    def _forget(self) -> None:
        self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def anonymous_memory(self) -> int:
        """RssAnon of the broker in bytes: what it allocated, without mapped files."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"RssAnon:\s+(\d+) kB", status)
        assert found is not None
        return int(found.group(1)) * 1024

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None and answers(self.port)
