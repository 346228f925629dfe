"""The broker's C server: reactors, the express lane of Produce and Fetch, the control queue.

A `Server` runs its reactors and workers as threads of its own, which never take the GIL; only the
one that opens compressed batches does, where a topic wants a look at their records. Python learns
of everything that is not Produce or Fetch through `take()`, and answers through `reply()`. One
thread (the asyncio loop's) calls the methods; none of them waits, unless it says so.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from meghna._native.log import Log

class Request(NamedTuple):
    """A frame for the control plane; answer its `token` exactly once."""

    token: int
    api_key: int
    api_version: int
    client_id: str | None
    body: bytes
    """What follows the request header."""
    listener: int
    """Which `listen` call accepted the connection, from 0."""
    peer_host: str

class Appended(NamedTuple):
    """The end of an `append`: durable, or refused."""

    token: int
    error: int
    """Kafka's error code; 0 when the batch is durable."""
    base_offset: int

class PartitionFailed(NamedTuple):
    """A partition went offline: a write or fsync failed. Told once."""

    topic: str
    partition: int
    message: str

class PartitionFull(NamedTuple):
    """The disk is full: appends are refused with a storage error until there is room again."""

    topic: str
    partition: int
    is_full: bool
    """False: there is room again."""

class PartitionAdvanced(NamedTuple):
    """Much became durable: the recovery point should be written down, or all of it is checked
    after a crash."""

    topic: str
    partition: int

Event = Request | Appended | PartitionFailed | PartitionFull | PartitionAdvanced

class TopicRules(NamedTuple):
    """What the express lane must know of a topic's configuration."""

    batch_size_max: int
    timestamp_before_max_ms: int
    timestamp_after_max_ms: int
    append_time: bool
    requires_keys: bool
    """Compacted: a record without a key is refused."""
    internal: bool
    """Clients may not produce to it."""
    insync_min: int

class Limits(NamedTuple):
    """Named limits of the server; sizes in bytes."""

    reactors: int = 0
    """0: by the number of cores."""
    flushers: int = 4
    frame_size_max: int = 104857600
    connections_max: int = 10000
    idle_timeout_ms: int = 600000
    greeting_timeout_ms: int = 30000
    """A connection that has not sent a whole request by then is closed."""
    request_memory_max: int = 268435456
    """Received and not yet carried out, over all connections; above it reading pauses."""
    fetch_size_max: int = 57671680
    fetch_sessions_max: int = 1000
    socket_buffer_size: int = 262144

class Partition:
    """A partition of the server: a log and its append turn. Made by `Server.add_partition`."""

    @property
    def topic(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def log(self) -> Log: ...
    @property
    def high_watermark(self) -> int: ...
    @property
    def last_stable_offset(self) -> int: ...
    @property
    def leader_epoch(self) -> int: ...
    def roll_later(self) -> None:
        """Have a worker seal the active segment, so that retention can delete it."""
    def flush_later(self) -> None:
        """Have a worker make durable what was appended."""

class Server:
    def __init__(
        self, limits: Limits, *, decompress: Callable[[int, bytes], bytes] | None = None
    ) -> None:
        """`decompress(codec, data)` opens batches for topics that want a key of each record.

        It is called by a thread of the server's. CorruptDataError and TooLargeError refuse the
        batch; without it no such topic takes a compressed one.
        """
    def listen(self, host: str, port: int) -> int:
        """Bind a listener; returns the port (bound to a free one if `port` is 0).

        Raises OSError (address in use, cannot assign). Connections are accepted from `start` on.
        """
    def start(self) -> None:
        """Start the reactors and workers."""
    def fileno(self) -> int:
        """An eventfd, readable while `take` has something."""
    def take(self) -> list[Event]:
        """All events that wait, oldest first; clears the eventfd."""
    def reply(self, token: int, payload: bytes | None) -> None:
        """Answer a request with what follows the correlation id; None closes the connection."""
    def add_partition(self, log: Log, *, topic: str, index: int, leader_epoch: int) -> Partition:
        """Put a log under the server. The log is used by its threads until `remove_partition`."""
    def remove_partition(self, partition: Partition, token: int) -> None:
        """Take a partition out: its waiters fail.

        An `Appended(token, 0, -1)` event says when no thread of the server uses the log any more,
        so that it can be closed or abandoned.
        """
    def set_topic(
        self,
        name: str,
        topic_id: bytes,
        partitions: Sequence[Partition | None],
        rules: TopicRules,
    ) -> None:
        """Add or replace a topic in the image being prepared; None: the partition is offline."""
    def remove_topic(self, name: str) -> None: ...
    def publish(self) -> int:
        """Make the prepared image the one that the reactors read; returns its version."""
    def append(
        self,
        partition: Partition,
        batch: bytes,
        token: int,
        *,
        now_ms: int,
        durable: bool = True,
    ) -> None:
        """Append a batch built by us; an `Appended` event with `token` follows, after the fdatasync
        if `durable`."""
    def drain(self, timeout_ms: int) -> None:
        """Stop accepting and reading, answer what was taken in, close. Waits (GIL released)."""
    def close(self) -> None:
        """Stop every thread. Waits (GIL released)."""
    def counters(self) -> dict[str, int]:
        """Totals since start: connections, requests, bytes, records, errors by kind."""
