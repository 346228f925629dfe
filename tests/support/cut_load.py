"""A load that knows what it was told: clients on one thread, each with several requests under way.

    Writer    acks=all to a partition of its own, records numbered; idempotent or not
    Changer   one change at a time: offsets committed, topics made and deleted

What was answered when the power went (`power_went`) counts as said. What was sent after that must
never be acknowledged. What was under way counts as neither: an fdatasync that runs while the file
system is shut down may answer well and have written nothing, which a machine that goes dark could
not have told anybody (ext4 and XFS both do it, without us). Afterwards `check` compares what was
said with what is there. An AssertionError names the first difference.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meghna._native import batch
from meghna.protocol import messages as m
from meghna.protocol import wire

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from support.frames import Peer

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_COMMIT, OFFSET_FETCH, CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER = 8, 9, 19, 20, 22
TOPIC = "cut"
GROUP = "cutters"
_WINDOW = 4
# Of a producer's batches a snapshot keeps the last one alone, in Kafka's format as in ours: after a
# crash just behind a roll, an older one that is sent again is out of order instead of a duplicate.
_WINDOW_IDEMPOTENT = 1
_RECORDS_MAX = 12
_SIZES = (10, 10, 200, 3_000, 40_000)
# Refusals of a disk that is gone; and of a group whose partition is still read back.
STORAGE_ERROR = 56
_NOT_YET = (14, 15, 16)
# Written in one round at most, so that the volume is large enough however fast the machine is.
_ROUND_SIZE_MAX = 500_000
_FILLER = bytes(range(256)) * 200


@dataclass
class Sent:
    """A batch under way: its records are numbered from `first` on."""

    first: int
    count: int
    size: int
    is_late: bool = False


class Client:
    """One connection of a load."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._is_dark = False

    def power_went(self) -> None:
        """From now on nothing may be acknowledged that is sent."""
        self._is_dark = True

    def connect(self, port: int) -> None:
        self._received.clear()
        self._is_dark = False
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self.begin()

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket else -1

    def begin(self) -> None:
        """Send the first requests."""
        raise NotImplementedError

    def answered(self, reply: bytes) -> None:
        raise NotImplementedError

    def send(self, frame: bytes) -> None:
        if self._socket is None:
            return
        try:
            self._socket.setblocking(True)
            self._socket.sendall(frame)
            self._socket.setblocking(False)
        except OSError:
            self.disconnect()

    def receive(self) -> bool:
        """Take what came; whether the connection is still there."""
        if self._socket is None:
            return False
        try:
            part = self._socket.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            part = b""
        if not part:
            self.disconnect()
            return False
        self._received += part
        while self._socket is not None and len(self._received) >= 4:
            (size,) = struct.unpack_from(">i", self._received)
            if len(self._received) < 4 + size:
                break
            reply = bytes(self._received[8 : 4 + size])
            del self._received[: 4 + size]
            self.answered(reply)
        return self._socket is not None

    def disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Writer(Client):
    """Writes to one partition and remembers what was acknowledged."""

    def __init__(self, partition: int, rng: random.Random, *, is_idempotent: bool) -> None:
        super().__init__()
        self.partition = partition
        self.is_idempotent = is_idempotent
        self._rng = rng
        self._next = 0
        self._waiting: deque[Sent] = deque()
        self._again: deque[Sent] = deque()
        self._unsure: deque[Sent] = deque()  # acknowledged while the power went
        self._producer = (-1, -1)
        self._is_ready = not is_idempotent
        self._held: list[int] = []  # number by offset, as last read
        self._safe_end = 0
        self.told: list[tuple[int, int, int]] = []  # offset, first number, count; not yet checked
        self.acknowledged = 0
        self._all_told: list[tuple[int, int, int]] = []
        self.refused = 0
        self._size = 0

    def begin(self) -> None:
        self._size = 0
        if self.is_idempotent:
            self._again = self._unsure + self._waiting + self._again
            self._unsure = deque()
            self._waiting = deque()
            if self._producer[0] < 0:
                request = m.InitProducerIdRequest(
                    transactional_id=None, transaction_timeout_ms=60_000
                )
                self.send(
                    wire.encode_request(
                        INIT_PRODUCER, 3, request, correlation_id=1, client_id="cut"
                    )
                )
                return
        self._waiting = deque()
        self._fill()

    def _fill(self) -> None:
        while (
            self._socket is not None
            and len(self._waiting) < (_WINDOW_IDEMPOTENT if self.is_idempotent else _WINDOW)
            and self._size < _ROUND_SIZE_MAX
        ):
            if self._again:
                sent = self._again.popleft()
            else:
                count, size = self._rng.randint(1, _RECORDS_MAX), self._rng.choice(_SIZES)
                sent = Sent(self._next, count, size)
                self._next += sent.count
            self._size += sent.size * sent.count
            sent.is_late = self._is_dark
            self._waiting.append(sent)
            self.send(self._frame(sent))

    def _frame(self, sent: Sent) -> bytes:
        now_ms = time.time_ns() // 1_000_000
        records = [
            (None, b"%d " % (sent.first + i) + _FILLER[: sent.size], (), now_ms)
            for i in range(sent.count)
        ]
        producer_id, epoch = self._producer
        data = batch.build(
            records,
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=sent.first if self.is_idempotent else -1,
        )
        part = m.PartitionProduceData(index=self.partition, records=data)
        request = m.ProduceRequest(
            acks=-1,
            timeout_ms=30_000,
            topic_data=[m.TopicProduceData(name=TOPIC, partition_data=[part])],
        )
        return wire.encode_request(PRODUCE, 9, request, correlation_id=1, client_id="cut")

    def answered(self, reply: bytes) -> None:
        if self.is_idempotent and self._producer[0] < 0:
            made: Any = wire.decode_response(INIT_PRODUCER, 3, reply)
            if made.error_code == 0:
                self._producer = (made.producer_id, made.producer_epoch)
                self._waiting = deque()
                self._fill()
            return
        answer: Any = wire.decode_response(PRODUCE, 9, reply)
        (part,) = answer.responses[0].partition_responses
        if part.error_code == 0:
            sent = self._waiting.popleft()
            assert not sent.is_late, f"partition {self.partition}: {part} after the power went"
            if self._is_dark:
                self._unsure.append(sent)
                self._fill()
                return
            self.told.append((part.base_offset, sent.first, sent.count))
            self.acknowledged += sent.count
            self._fill()
            return
        assert part.error_code == STORAGE_ERROR, (
            f"partition {self.partition}: {part} for {self._waiting}, after {self._all_told[-6:]}, "
            f"{self.told[-6:]}"
        )
        self.refused += 1
        if self.is_idempotent:
            self.disconnect()  # and send all of it again when the broker is back
        else:
            self._waiting.popleft()

    # ---- Afterwards ----

    def check(self, peer: Peer, *, whole: bool) -> None:
        start = 0 if whole else self._safe_end
        self._held[start:] = read_numbers(peer, self.partition, start)
        if whole:
            self._compare(self._all_told)
        self._compare(self.told)
        self._all_told += self.told
        self.told.clear()
        last = max((o + c for o, _, c in self._all_told[-_WINDOW * 4 :]), default=0)
        self._safe_end = max(self._safe_end, last)
        held = self._held[start:]
        before = self._held[start - 1] if start else -1
        for number in held:
            assert number > before, f"partition {self.partition}: {number} after {before}"
            assert not self.is_idempotent or number == before + 1, f"{number} after {before}"
            before = number

    def _compare(self, told: Sequence[tuple[int, int, int]]) -> None:
        for offset, first, count in told:
            found = self._held[offset : offset + count]
            assert found == list(range(first, first + count)), (
                f"partition {self.partition}: records {first} to {first + count - 1} were said to "
                f"be at {offset}, there is {found} (end {len(self._held)})"
            )


def read_numbers(peer: Peer, partition: int, start: int) -> list[int]:
    """What the records of a partition say from `start` to the end; without a gap in the offsets."""
    numbers: list[int] = []
    while True:
        part = m.FetchRequestFetchPartition(
            partition=partition, fetch_offset=start + len(numbers), partition_max_bytes=4 << 20
        )
        request = m.FetchRequest(
            max_bytes=8 << 20, topics=[m.FetchRequestFetchTopic(TOPIC, partitions=[part])]
        )
        answer: Any = peer.call(FETCH, 12, request)
        assert answer.error_code == 0, answer
        (found,) = answer.responses[0].partitions
        assert found.error_code == 0, f"partition {partition} from {start}: {found}"
        if not found.records:
            end = start + len(numbers)
            assert end == found.high_watermark, f"partition {partition}: nothing at {end}: {found}"
            return numbers
        for piece in batch.split(found.records):
            batch.check(piece)
            for record in batch.records(piece):
                if record.offset < start + len(numbers):
                    continue
                assert record.offset == start + len(numbers)
                assert record.value is not None
                numbers.append(int(record.value.split(b" ", 1)[0]))


@dataclass
class Changer(Client):
    """Changes what the control plane keeps, one thing at a time."""

    rng: random.Random
    committed: int = -1  # what was acknowledged
    committing: int = 0  # what was asked for
    topics: dict[str, bool] = field(default_factory=dict)  # whether it is there
    pending: str = ""
    _asked: str = ""
    _count: int = 0
    _is_late: bool = False
    acknowledged: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def begin(self) -> None:
        self._ask()

    def _ask(self) -> None:
        there = [name for name, is_there in self.topics.items() if is_there]
        self._is_late = self._is_dark
        kind = 0.0 if self._is_dark else self.rng.random()
        if kind < 0.7:
            self._asked = "commit"
            self.committing = max(self.committing, self.committed) + 1
            part = m.OffsetCommitRequestPartition(0, self.committing)
            commit = m.OffsetCommitRequest(
                group_id=GROUP, topics=[m.OffsetCommitRequestTopic(TOPIC, partitions=[part])]
            )
            frame = wire.encode_request(OFFSET_COMMIT, 8, commit, correlation_id=1, client_id="cut")
        elif kind < 0.85 or not there:
            self._asked, self.pending = "create", f"t{self._count}"
            self._count += 1
            topic = m.CreatableTopic(self.pending, 1, 1)
            create = m.CreateTopicsRequest(topics=[topic], timeout_ms=30_000)
            frame = wire.encode_request(CREATE_TOPICS, 5, create, correlation_id=1, client_id="cut")
        else:
            self._asked, self.pending = "delete", self.rng.choice(there)
            delete = m.DeleteTopicsRequest(topic_names=[self.pending], timeout_ms=30_000)
            frame = wire.encode_request(DELETE_TOPICS, 4, delete, correlation_id=1, client_id="cut")
        self.send(frame)

    def answered(self, reply: bytes) -> None:
        answer: Any
        if self._asked == "commit":
            answer = wire.decode_response(OFFSET_COMMIT, 8, reply)
            code = answer.topics[0].partitions[0].error_code
            if code == 0 and not self._is_dark:
                self.committed = self.committing
        elif self._asked == "create":
            answer = wire.decode_response(CREATE_TOPICS, 5, reply)
            code = answer.topics[0].error_code
            if code == 0 and not self._is_dark:
                self.topics[self.pending] = True
        else:
            answer = wire.decode_response(DELETE_TOPICS, 4, reply)
            code = answer.responses[0].error_code
            if code == 0 and not self._is_dark:
                self.topics[self.pending] = False
        if code == 0 and self._is_dark:
            assert not self._is_late, f"{self._asked}: done after the power went"
        elif code == 0:
            self.pending = ""
            self.acknowledged += 1
        elif code not in _NOT_YET:
            self.refused += 1
            return  # the disk is gone: nothing more is asked
        self._ask()

    def check(self, peer: Peer) -> None:
        asked = m.MetadataRequest(topics=None, allow_auto_topic_creation=False)
        answer: Any = peer.call(METADATA, 9, asked)
        found = {topic.name for topic in answer.topics if topic.error_code == 0}
        for name, is_there in self.topics.items():
            if name != self.pending:
                assert (name in found) == is_there, f"{name}: {is_there} was acknowledged"
        if self.pending:
            self.topics[self.pending] = self.pending in found
        for topic in answer.topics:
            assert topic.error_code == 0, topic
            assert all(p.error_code == 0 and p.leader_id >= 0 for p in topic.partitions), topic
        self.pending = ""
        offset = fetched_offset(peer)
        assert self.committed <= offset <= self.committing, (
            f"offset {offset} is committed, {self.committed} was acknowledged"
        )
        self.committed = offset


def fetched_offset(peer: Peer) -> int:
    request = m.OffsetFetchRequest(group_id=GROUP, topics=[m.OffsetFetchRequestTopic(TOPIC, [0])])
    for _ in range(1_000):
        answer: Any = peer.call(OFFSET_FETCH, 5, request)
        if answer.error_code not in _NOT_YET:
            assert answer.error_code == 0, answer
            (part,) = answer.topics[0].partitions
            assert part.error_code == 0, answer
            return int(part.committed_offset)
        time.sleep(0.002)
    raise AssertionError("the group is not read back")


def drive(clients: Sequence[Client], *, seconds: float) -> None:
    """Let the clients talk for so long, or until none is connected."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for client in clients:
            if client.fileno() >= 0:
                selector.register(client.fileno(), selectors.EVENT_READ, client)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if not key.data.receive():
                    selector.unregister(key.fd)
