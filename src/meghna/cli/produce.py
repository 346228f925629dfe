"""meghna produce TOPIC: records from standard input, one a line.

What arrives together is sent together: a pause of the input sends what there is, so that typed
lines appear at once and a piped file goes in large batches. A request is answered before the next
one is sent, so the order of the input is the order in the partition. A request whose answer is lost
is not sent again, since that could write it twice: the command stops and says so.

A line that is no record ends the command after what stood before it was sent. Whatever ends it, the
number of records that were written is told.
"""

from __future__ import annotations

import os
import re
import sys
import time
from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING

from meghna import codecs
from meghna._native import batch
from meghna.cli.client import NO_LEADER, Client, add_connection_options, refusal
from meghna.cli.outcome import CommandError, Exit, concluded, note
from meghna.cli.partition_choice import partition_of
from meghna.cli.record_text import Outgoing, from_json, line_parser
from meghna.errors import ErrorCode
from meghna.protocol import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRODUCE = 0
CODECS = tuple(codec.name.lower() for codec in codecs.Codec)
ACKS = {"0": 0, "1": 1, "all": -1, "-1": -1}
READ_SIZE = 1 << 20
LINE_SIZE_MAX = 64 * 1024 * 1024  # a line without an end must not take all memory
BATCH_RECORDS_MAX = 10_000
BATCH_SIZE_MAX = 512 * 1024  # of keys and values; below Kafka's default max.message.bytes of 1 MiB


def run(args: list[str]) -> int:
    options = parser().parse_args(args)
    return concluded(lambda: produce(options))


def parser() -> ArgumentParser:
    made = ArgumentParser(prog="meghna produce", description="Records from standard input.")
    made.add_argument("topic", metavar="TOPIC")
    made.add_argument("-k", "--key", help="the key of every record that brings none")
    made.add_argument(
        "-H", "--header", action="append", default=[], metavar="KEY:VALUE", help="repeatable"
    )
    made.add_argument("-p", "--partition", type=int, help="by the key, or in turn")
    made.add_argument("-f", "--format", help=r"fields of a line, such as '%%k\t%%v'")
    made.add_argument("-i", "--input", choices=("lines", "ndjson"), default="lines")
    made.add_argument("--acks", choices=tuple(ACKS), default="all")
    made.add_argument("--compression", choices=CODECS, default="none")
    made.add_argument("-Z", "--empty-is-null", action="store_true", help="an empty value is null")
    add_connection_options(made)
    return made


def produce(options: Namespace) -> Exit:
    read_record = record_reader(options)
    with Client(options.bootstrap, timeout_ms=int(options.timeout * 1000)) as client:
        sender = Sender(client, options)
        try:
            send_lines(sender, read_record, skips_empty=options.input == "ndjson")
        except CommandError as error:
            so_far = f"{counted(sender.written)} written before that"
            raise CommandError(f"{error}; {so_far}", error.code) from error
    note(f"{counted(sender.written)} to {options.topic}")
    return Exit.OK


def send_lines(
    sender: Sender, read_record: Callable[[bytes], Outgoing], *, skips_empty: bool
) -> None:
    """Send standard input to its end. Raises CommandError."""
    number = 0
    for line in input_lines(sys.stdin.fileno()):
        if line is None:
            sender.flush()
            continue
        number += 1
        if not line and skips_empty:
            continue
        try:
            record = read_record(line)
            partition = sender.partition_for(record)
        except CommandError as error:
            sender.flush()
            raise CommandError(f"line {number}: {error}", error.code) from error
        sender.add(record, partition)
    sender.flush()


def counted(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'}"


def record_reader(options: Namespace) -> Callable[[bytes], Outgoing]:
    """From a line to a record, with what the options add to it."""
    if options.format is not None and options.input == "ndjson":
        raise CommandError("a format is for lines, not for ndjson", Exit.USAGE)
    parse: Callable[[bytes], Outgoing] = from_json if options.input == "ndjson" else Outgoing
    if options.format is not None:
        parse = line_parser(options.format)
    added = []
    for text in options.header:
        found = re.fullmatch(r"([^:=]+)[:=](.*)", text, re.DOTALL)
        if found is None:
            raise CommandError(f"not a header: {text!r} (KEY:VALUE)", Exit.USAGE)
        added.append((found.group(1), found.group(2).encode()))
    key = None if options.key is None else options.key.encode()

    def read(line: bytes) -> Outgoing:
        record = parse(line)
        return record._replace(
            key=key if record.key is None else record.key,
            value=None if options.empty_is_null and not record.value else record.value,
            headers=record.headers + tuple(added),
            partition=options.partition if record.partition is None else record.partition,
        )

    return read


def input_lines(source: int) -> Iterator[bytes | None]:
    """Lines without their ends; None where the input pauses."""
    rest = b""
    while chunk := os.read(source, READ_SIZE):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        yield None
        if len(rest) > LINE_SIZE_MAX:
            raise CommandError(f"a line is longer than {LINE_SIZE_MAX} bytes")
    if rest:
        yield rest


class Sender:
    """Collects records by partition and sends them, one request a leader, in order."""

    __slots__ = (
        "_acks", "_client", "_codec", "_leaders", "_partition", "_pending", "_records", "_size",
        "_timeout_ms", "_topic", "written",
    )  # fmt: skip

    def __init__(self, client: Client, options: Namespace) -> None:
        self._client = client
        self.written = 0  # records that a broker acknowledged, or got if none are asked for
        self._topic: str = options.topic
        self._acks = ACKS[options.acks]
        self._codec = codecs.Codec[options.compression.upper()]
        self._timeout_ms = int(options.timeout * 1000)
        self._leaders = client.leaders(
            options.topic,
            creates=True,
            of=None if options.partition is None else [options.partition],
        )
        self._pending: dict[int, list[Outgoing]] = {}
        self._partition = 0  # where records without a key go for now
        self._records = 0
        self._size = 0

    def partition_for(self, record: Outgoing) -> int:
        """Where a record goes. Raises CommandError when it names a partition that is not there."""
        if record.partition is not None:
            partition = record.partition
        elif record.key is not None:
            partition = partition_of(record.key, len(self._leaders))
        else:
            partition = self._partition
            if self._leaders[partition] == NO_LEADER:  # any other will do
                partition = self._partition = self._next_online()
        if partition not in self._leaders:
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            raise refusal(f"topic {self._topic!r} partition {partition}", code)
        return partition

    def _next_online(self) -> int:
        """The next partition after the current one that has a leader."""
        count = len(self._leaders)
        following = ((self._partition + step) % count for step in range(1, count + 1))
        return next((p for p in following if self._leaders[p] != NO_LEADER), self._partition)

    def add(self, record: Outgoing, partition: int) -> None:
        self._pending.setdefault(partition, []).append(record)
        self._records += 1
        self._size += len(record.value or b"") + len(record.key or b"")
        if self._records >= BATCH_RECORDS_MAX or self._size >= BATCH_SIZE_MAX:
            self.flush()

    def flush(self) -> None:
        """Send what was collected. Raises CommandError when a broker refuses or is lost."""
        if not self._pending:
            return
        now_ms = time.time_ns() // 1_000_000
        batches = {
            partition: self._build(records, now_ms) for partition, records in self._pending.items()
        }
        self._client.restart_deadline()
        while batches:
            batches = self._client.retried(f"topic {self._topic!r}", partial(self._send, batches))
        self._pending.clear()
        self._partition = self._next_online()
        self._records = self._size = 0

    def _build(self, records: list[Outgoing], now_ms: int) -> bytes:
        return batch.build(
            [
                (r.key, r.value, r.headers, now_ms if r.timestamp is None else r.timestamp)
                for r in records
            ],
            attributes=self._codec,
            compress=partial(codecs.compress, self._codec) if self._codec else None,
        )

    def _send(self, batches: dict[int, bytes]) -> tuple[int, dict[int, bytes]]:
        """One request to one leader; a retriable code, or 0 with what is left for the others."""
        leader = max(self._leaders[partition] for partition in batches)
        if leader == NO_LEADER:
            self._leaders = self._client.leaders(self._topic, of=batches)
            return 0, batches
        sent = [partition for partition in batches if self._leaders[partition] == leader]
        request = messages.ProduceRequest(
            acks=self._acks,
            timeout_ms=self._timeout_ms,
            topic_data=[
                messages.TopicProduceData(
                    name=self._topic,
                    partition_data=[
                        messages.PartitionProduceData(index=p, records=batches[p]) for p in sent
                    ],
                )
            ],
        )
        answer = self._client.broker(leader).call(PRODUCE, request, waits=self._acks != 0)
        left = {p: data for p, data in batches.items() if p not in sent}
        if answer is None:
            self.written += sum(len(self._pending[p]) for p in sent)
            return 0, left
        assert isinstance(answer, messages.ProduceResponse)
        refused: CommandError | None = None
        for part in answer.responses[0].partition_responses:
            if part.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER:
                left[part.index] = batches[part.index]
                self._leaders = self._client.leaders(self._topic, of=batches)
            elif part.error_code:
                what = f"topic {self._topic!r} partition {part.index}"
                refused = refusal(what, part.error_code, part.error_message)
            else:
                self.written += len(self._pending[part.index])
        if refused is not None:
            raise refused
        return 0, left
