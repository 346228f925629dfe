"""A small blocking Kafka client for the commands: one request at a time, one answer.

A Client finds its way as every Kafka client does: it asks a bootstrap address for the cluster,
then each partition's leader or each group's coordinator. Versions are negotiated: the newest that
both sides know, with a cap where a newer one would need more state than a command keeps.

Every wait ends at the client's timeout. A broker that cannot be reached, does not answer in time
or answers nonsense raises CommandError with the exit code that says so; nothing is retried but
what Kafka calls retriable (a leader or a coordinator that is being found), until the timeout.

The length of a reply is bounded before it is read: a server may be hostile, too.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from meghna.cli.outcome import CommandError, Exit
from meghna.errors import ErrorCode, ProtocolError
from meghna.protocol import messages, wire

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

BOOTSTRAP_DEFAULT = "127.0.0.1:9092"
BOOTSTRAP_VARIABLE = "MEGHNA_BOOTSTRAP"
PORT_DEFAULT = 9092
TIMEOUT_MS_DEFAULT = 30_000
CLIENT_ID = "meghna-cli"
REPLY_SIZE_MAX = 256 * 1024 * 1024  # far above what any command asks for
RETRY_PAUSE_SECONDS = 0.1
# How long the other partitions' leaders are waited for once some are there.
ELECTION_SECONDS = 1.0
NO_LEADER = -1

FETCH, LIST_OFFSETS, METADATA, API_VERSIONS, FIND_COORDINATOR = 1, 2, 3, 18, 10

# Newest versions that the commands use, where a newer one would need more of them.
VERSION_CAPS = {
    0: 12,  # Produce: from 13 on topics are ids
    FETCH: 12,  # from 13 on topics are ids
    8: 9,
    9: 9,  # OffsetFetch: from 10 on topics are ids
}

RETRIABLE = {
    ErrorCode.LEADER_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
}
# Said in one way, whichever request finds out and whatever text its broker adds.
NOT_FOUND = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: "no such topic or partition",
    ErrorCode.GROUP_ID_NOT_FOUND: "no such group",
}

Answer = TypeVar("Answer")


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """HOST, HOST:PORT or [IPV6]:PORT. Raises CommandError (usage)."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(PORT_DEFAULT)
    if not host.strip("[]") or not port.isdigit() or not 0 < int(port) < 65536:
        raise CommandError(f"not an address: {text!r} (HOST:PORT)", Exit.USAGE)
    return Address(host.strip("[]"), int(port))


def add_connection_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-b", "--bootstrap", metavar="HOST:PORT[,...]",
        default=os.environ.get(BOOTSTRAP_VARIABLE) or BOOTSTRAP_DEFAULT,
        help=f"brokers to ask first (${BOOTSTRAP_VARIABLE}, or {BOOTSTRAP_DEFAULT})",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT_MS_DEFAULT / 1000, metavar="SECONDS",
        help="how long to wait for an answer (30)",
    )  # fmt: skip


def error_name(code: int) -> str:
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code}"


def refusal(what: str, code: int, message: str | None = None) -> CommandError:
    """The CommandError for a Kafka error code, with what it was about."""
    for known, words in NOT_FOUND.items():
        if code == known:
            return CommandError(f"{what}: {words} ({known.name})", Exit.NOT_FOUND)
    name = error_name(code)
    return CommandError(f"{what}: {message or name.replace('_', ' ').lower()} ({name})")


class Connection:
    """One TCP connection, used by one request at a time; owned and closed by its Client."""

    __slots__ = ("_correlation_id", "_ranges", "_socket", "address")

    def __init__(self, address: Address, *, timeout_ms: int) -> None:
        self.address = address
        try:
            self._socket = socket.create_connection(address, timeout_ms / 1000)
        except (OSError, UnicodeError) as error:
            reason = "no answer in time" if isinstance(error, TimeoutError) else reason_of(error)
            raise unreachable(address, reason) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._correlation_id = 0
        try:
            self._ranges = self._ask_versions()
        except CommandError:
            self.close()
            raise

    def _ask_versions(self) -> dict[int, tuple[int, int]]:
        # Version 0 is the one that every broker since 0.10 answers in full.
        answer = self.call(API_VERSIONS, messages.ApiVersionsRequest(), version=0)
        assert isinstance(answer, messages.ApiVersionsResponse)
        if answer.error_code:
            raise refusal(f"{self.address} tells no versions", answer.error_code)
        return {key.api_key: (key.min_version, key.max_version) for key in answer.api_keys}

    def close(self) -> None:
        self._socket.close()

    def serves(self, api_key: int) -> bool:
        return api_key in self._ranges

    def version(self, api_key: int) -> int:
        """The newest version that both sides and the commands know."""
        ours = wire.definition("request", api_key).versions
        cap = VERSION_CAPS.get(api_key, ours.last)
        theirs_min, theirs_max = self._ranges.get(api_key, (1, 0))
        version = min(ours.last, cap, theirs_max)
        if version < max(ours.first, theirs_min):
            raise CommandError(f"{self.address} does not serve API key {api_key} as we know it")
        return version

    def call(
        self, api_key: int, request: tuple[object, ...], *, version: int = -1, waits: bool = True
    ) -> object:
        """Send a request and return its answer; None without waiting for one if not `waits`.

        Raises CommandError when the broker goes away, is silent for the timeout or is not a broker.
        """
        if version < 0:
            version = self.version(api_key)
        self._correlation_id += 1
        frame = wire.encode_request(
            api_key, version, request, correlation_id=self._correlation_id, client_id=CLIENT_ID
        )
        try:
            self._socket.sendall(frame)
            if not waits:
                return None
            (size,) = struct.unpack(">i", self._receive(4))
            if not 4 <= size <= REPLY_SIZE_MAX:
                raise unreachable(self.address, f"not a Kafka broker (reply of {size} bytes)")
            reply = self._receive(size)
        except TimeoutError as error:
            raise unreachable(self.address, "no answer in time") from error
        except OSError as error:
            raise unreachable(self.address, reason_of(error)) from error
        if struct.unpack(">i", reply[:4]) != (self._correlation_id,):
            raise unreachable(self.address, "not a Kafka broker (answers out of turn)")
        try:
            return wire.decode_response(api_key, version, reply[4:])
        except ProtocolError as error:
            raise CommandError(
                f"{self.address} sent a reply that makes no sense: {error}"
            ) from error

    def _receive(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            part = self._socket.recv(min(size - len(received), 1 << 20))
            if not part:
                raise ConnectionResetError("connection closed by the broker")
            received += part
        return bytes(received)


def reason_of(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def unreachable(address: Address, reason: str) -> CommandError:
    return CommandError(f"cannot reach {address}: {reason}", Exit.UNREACHABLE)


class Client:
    """A cluster as the commands see it. Use as a context manager; closes its connections."""

    __slots__ = ("_addresses", "_bootstrap", "_brokers", "_connections", "_deadline", "_timeout_ms")

    def __init__(self, bootstrap: str, *, timeout_ms: int = TIMEOUT_MS_DEFAULT) -> None:
        self._addresses = [parse_address(text) for text in bootstrap.split(",") if text.strip()]
        if not self._addresses:
            raise CommandError("no bootstrap address", Exit.USAGE)
        self._timeout_ms = timeout_ms
        self._deadline = time.monotonic() + timeout_ms / 1000
        self._connections: dict[Address, Connection] = {}
        self._brokers: dict[int, Address] = {}
        self._bootstrap: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections.values():
            connection.close()

    def restart_deadline(self) -> None:
        """A new operation begins: retriable answers are retried for the whole timeout again."""
        self._deadline = time.monotonic() + self._timeout_ms / 1000

    def connection(self, address: Address) -> Connection:
        if address not in self._connections:
            self._connections[address] = Connection(address, timeout_ms=self._timeout_ms)
        return self._connections[address]

    def any_broker(self) -> Connection:
        """The first bootstrap address that answers."""
        if self._bootstrap is not None:
            return self._bootstrap
        failures = []
        for address in self._addresses:
            try:
                self._bootstrap = self.connection(address)
            except CommandError as error:
                failures.append(error)
            else:
                return self._bootstrap
        raise failures[0]

    def broker(self, node_id: int) -> Connection:
        if node_id not in self._brokers:
            self.metadata([])
        if node_id not in self._brokers:
            raise CommandError(f"broker {node_id} is not in the cluster", Exit.UNREACHABLE)
        return self.connection(self._brokers[node_id])

    def brokers(self) -> list[Connection]:
        self.metadata([])
        return [self.connection(address) for address in self._brokers.values()]

    def controller(self) -> Connection:
        answer = self.metadata([])
        return self.broker(answer.controller_id) if answer.controller_id >= 0 else self.any_broker()

    def metadata(
        self, topics: Sequence[str] | None, *, creates: bool = False
    ) -> messages.MetadataResponse:
        """The cluster and some topics, or all of them if None."""
        connection = self.any_broker()
        names = None if topics is None else [messages.MetadataRequestTopic(name=t) for t in topics]
        answer = connection.call(
            METADATA,
            messages.MetadataRequest(topics=names, allow_auto_topic_creation=creates),
        )
        assert isinstance(answer, messages.MetadataResponse)
        self._brokers = {b.node_id: Address(b.host, b.port) for b in answer.brokers}
        return answer

    def leaders(
        self, topic: str, *, creates: bool = False, of: Collection[int] | None = None
    ) -> dict[int, int]:
        """Partition → leader of a topic, once those of the partitions `of` are there.

        None: of all; but what is offline is not waited for long, and has NO_LEADER.
        """
        patience_ends = time.monotonic() + ELECTION_SECONDS

        def ask() -> tuple[int, dict[int, int]]:
            (found,) = self.metadata([topic], creates=creates).topics
            error = found.error_code
            if creates and error == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                error = ErrorCode.LEADER_NOT_AVAILABLE  # being created
            leaders = {p.partition_index: p.leader_id for p in found.partitions}
            waited_for = leaders if of is None else leaders.keys() & of
            without = sum(leaders[partition] < 0 for partition in waited_for)
            is_enough = of is None and without < len(leaders) and time.monotonic() > patience_ends
            if not error and (not leaders or (without and not is_enough)):
                error = ErrorCode.LEADER_NOT_AVAILABLE
            return error, leaders

        return self.retried(f"topic {topic!r}", ask)

    def coordinator(self, group: str) -> Connection:
        """The coordinator of a group."""

        def ask() -> tuple[int, Connection | None]:
            connection = self.any_broker()
            request = messages.FindCoordinatorRequest(coordinator_keys=[group])
            if connection.version(FIND_COORDINATOR) < 4:
                request = messages.FindCoordinatorRequest(key=group)
            answer = connection.call(FIND_COORDINATOR, request)
            assert isinstance(answer, messages.FindCoordinatorResponse)
            found = answer.coordinators[0] if answer.coordinators else answer
            if found.error_code:
                return found.error_code, None
            return 0, self.connection(Address(found.host, found.port))

        connection = self.retried(f"group {group!r}", ask)
        assert connection is not None
        return connection

    def offsets(self, topic: str, partitions: Iterable[int], timestamp: int) -> dict[int, int]:
        """ListOffsets: -2 earliest, -1 latest, or the first record not before a time in ms.

        A partition without such a record is answered with -1.
        """
        wanted = set(partitions)

        def ask() -> tuple[int, dict[int, int]]:
            leaders = self.leaders(topic, of=wanted)
            missing = wanted - leaders.keys()
            if missing:
                raise refusal(
                    f"topic {topic!r} partition {min(missing)}",
                    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                )
            told = self.offsets_told(topic, {p: leaders[p] for p in wanted}, timestamp)
            error = next((answer.error_code for answer in told.values() if answer.error_code), 0)
            return error, {p: answer.offset for p, answer in told.items()}

        return self.retried(f"offsets of topic {topic!r}", ask)

    def offsets_told(
        self, topic: str, leaders: Mapping[int, int], timestamp: int
    ) -> dict[int, messages.ListOffsetsPartitionResponse]:
        """What each partition's leader answers to ListOffsets, errors too; asked once."""
        told = {}
        for node in set(leaders.values()):
            asked = [
                messages.ListOffsetsPartition(partition_index=p, timestamp=timestamp)
                for p in sorted(leaders)
                if leaders[p] == node
            ]
            answer = self.broker(node).call(
                LIST_OFFSETS,
                messages.ListOffsetsRequest(
                    replica_id=-1,
                    topics=[messages.ListOffsetsTopic(name=topic, partitions=asked)],
                    timeout_ms=self._timeout_ms,
                ),
            )
            assert isinstance(answer, messages.ListOffsetsResponse)
            told.update({part.partition_index: part for part in answer.topics[0].partitions})
        return told

    def retried(self, what: str, ask: Callable[[], tuple[int, Answer]]) -> Answer:
        """Ask until the error code is not a retriable one. Raises CommandError for the others."""
        while True:
            code, answer = ask()
            if not code:
                return answer
            if code not in RETRIABLE:
                raise refusal(what, code)
            if time.monotonic() > self._deadline:
                raise CommandError(
                    f"{what}: still {error_name(code)} after the timeout", Exit.UNREACHABLE
                )
            time.sleep(RETRY_PAUSE_SECONDS)
