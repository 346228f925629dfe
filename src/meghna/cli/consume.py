"""meghna consume TOPIC…: records to standard output.

Reads without a group: from a place in every partition to the end or for ever. `-o` says where:

    earliest | latest | OFFSET | -COUNT (that many before the end) | @TIME (RFC 3339, or ms)

Records of one partition come in order. With --exit-at-end the command ends where the partitions
ended when it began, so that it ends on a busy topic too.
"""

from __future__ import annotations

import re
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from meghna import codecs
from meghna._native import batch
from meghna.cli.client import NO_LEADER, Client, add_connection_options, refusal
from meghna.cli.outcome import CommandError, Exit, concluded, note
from meghna.cli.record_text import Incoming, formatter, to_json
from meghna.errors import CorruptDataError, ErrorCode
from meghna.protocol import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FETCH = 1
EARLIEST, LATEST = -2, -1
MAX_WAIT_MS = 500
FETCH_SIZE_MAX = 8 * 1024 * 1024
PARTITION_SIZE_MAX = 1024 * 1024
CONTROL_ATTRIBUTE = 0x20
BATCH_HEADER_SIZE = 61
FORMAT_DEFAULT = r"%v\n"


def run(args: list[str]) -> int:
    options = parser().parse_args(args)
    return concluded(lambda: consume(options))


def parser() -> ArgumentParser:
    made = ArgumentParser(prog="meghna consume", description="Records to standard output.")
    made.add_argument("topics", nargs="+", metavar="TOPIC")
    made.add_argument(
        "-o", "--offset", default="earliest", metavar="WHERE",
        help="earliest (default), latest, OFFSET, -COUNT or @TIME",
    )  # fmt: skip
    made.add_argument("-n", "--count", type=whole_number, help="end after this many records")
    made.add_argument("-p", "--partition", type=int, action="append", help="repeatable; all")
    made.add_argument(
        "-f", "--format", help=r"such as '%%t %%p %%o %%k %%v\n'; %%h headers, %%d time"
    )
    made.add_argument("-O", "--output", choices=("text", "json", "ndjson"), default="text")
    ends = made.add_mutually_exclusive_group()
    ends.add_argument("--exit-at-end", action="store_true", help="end where the topic ends now")
    ends.add_argument("--follow", action="store_true", help="wait for more records (default)")
    made.add_argument("--deadline", type=float, metavar="SECONDS", help="give up after (exit 124)")
    add_connection_options(made)
    return made


def whole_number(text: str) -> int:
    """An argument that counts something."""
    if not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"not a whole number: {text!r}")
    return int(text)


class Place(NamedTuple):
    topic: str
    partition: int


def consume(options: Namespace) -> Exit:
    if options.format is not None and options.output != "text":
        raise CommandError("a format is for text output", Exit.USAGE)
    where = parse_where(options.offset)
    deadline = None if options.deadline is None else time.monotonic() + options.deadline
    with (
        Client(options.bootstrap, timeout_ms=int(options.timeout * 1000)) as client,
        printer(options) as write,
    ):
        reader = Reader(client)
        for topic in options.topics:
            reader.begin(topic, where, only=options.partition)
        for place in reader.offline:
            what = f"topic {place.topic!r} partition {place.partition}"
            note(f"{refusal(what, ErrorCode.LEADER_NOT_AVAILABLE)}, left out")
        if options.exit_at_end:
            reader.stop_at_end()
        left = options.count
        while reader.places and left != 0:
            for incoming in reader.poll():
                write(incoming)
                if left is not None:
                    left -= 1
                    if left == 0:
                        break
            if deadline is not None and time.monotonic() > deadline:
                return Exit.DEADLINE
    return Exit.PARTIAL if reader.offline else Exit.OK


def parse_where(text: str) -> Callable[[Client, str, list[int]], dict[int, int]]:
    """A function that finds the first offset of each partition. Raises CommandError (usage)."""
    named = {"earliest": EARLIEST, "start": EARLIEST, "latest": LATEST, "end": LATEST}
    if text in named:
        return lambda client, topic, partitions: client.offsets(topic, partitions, named[text])
    if re.fullmatch(r"\d+", text):
        return lambda client, topic, partitions: dict.fromkeys(partitions, int(text))
    if re.fullmatch(r"-\d+", text):
        return lambda client, topic, partitions: before_end(client, topic, partitions, -int(text))
    if text.startswith("@"):
        timestamp = parse_time(text[1:])
        return lambda client, topic, partitions: at_time(client, topic, partitions, timestamp)
    hint = f"; write @{text}" if re.match(r"\d{4}-\d\d-\d\d", text) else ""
    raise CommandError(f"not a place in a topic: {text!r}{hint}", Exit.USAGE)


def parse_time(text: str) -> int:
    """Milliseconds since 1970 from RFC 3339 or from such a number (seconds if it is short)."""
    if re.fullmatch(r"\d+", text):
        return int(text) * (1000 if len(text) <= 10 else 1)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"not a time: {text!r}", Exit.USAGE) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def before_end(client: Client, topic: str, partitions: list[int], count: int) -> dict[int, int]:
    starts = client.offsets(topic, partitions, EARLIEST)
    ends = client.offsets(topic, partitions, LATEST)
    return {p: max(starts[p], ends[p] - count) for p in partitions}


def at_time(client: Client, topic: str, partitions: list[int], timestamp: int) -> dict[int, int]:
    found = client.offsets(topic, partitions, timestamp)
    ends = client.offsets(topic, partitions, LATEST)
    return {p: found[p] if found[p] >= 0 else ends[p] for p in partitions}


class printer:  # noqa: N801  (a context manager used as a function)
    """Writes records in the form that was asked for; JSON needs its brackets."""

    __slots__ = ("_count", "_is_json", "_render")

    def __init__(self, options: Namespace) -> None:
        self._is_json = options.output == "json"
        self._count = 0
        text = FORMAT_DEFAULT if options.format is None else options.format
        as_text = formatter(text)
        self._render: Callable[[Incoming], bytes] = as_text
        if options.output != "text":
            ending = b"" if self._is_json else b"\n"
            self._render = lambda incoming: to_json(incoming).encode() + ending

    def __enter__(self) -> Callable[[Incoming], None]:
        return self.write

    def __exit__(self, *_: object) -> None:
        if self._is_json:
            sys.stdout.buffer.write(b"\n]\n" if self._count else b"[]\n")
        sys.stdout.buffer.flush()

    def write(self, incoming: Incoming) -> None:
        if self._is_json:
            sys.stdout.buffer.write(b",\n" if self._count else b"[\n")
        self._count += 1
        sys.stdout.buffer.write(self._render(incoming))


class Reader:
    """Reads partitions from their leaders, each from its own position on."""

    __slots__ = ("_client", "_ends", "_leaders", "offline", "places")

    def __init__(self, client: Client) -> None:
        self._client = client
        self.places: dict[Place, int] = {}  # next offset of what is still being read
        self.offline: list[Place] = []  # left out
        self._ends: dict[Place, int] = {}
        self._leaders: dict[Place, int] = {}

    def begin(
        self,
        topic: str,
        where: Callable[[Client, str, list[int]], dict[int, int]],
        *,
        only: list[int] | None,
    ) -> None:
        leaders = self._client.leaders(topic, of=only)
        partitions = only
        if partitions is None:
            partitions = sorted(p for p, leader in leaders.items() if leader != NO_LEADER)
            self.offline += [Place(topic, p) for p in sorted(leaders.keys() - partitions)]
        for partition in partitions:
            if partition not in leaders:
                what = f"topic {topic!r} partition {partition}"
                raise refusal(what, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            self._leaders[Place(topic, partition)] = leaders[partition]
        for partition, offset in where(self._client, topic, partitions).items():
            self.places[Place(topic, partition)] = offset

    def stop_at_end(self) -> None:
        for topic in {place.topic for place in self.places}:
            partitions = [place.partition for place in self.places if place.topic == topic]
            for partition, end in self._client.offsets(topic, partitions, LATEST).items():
                place = Place(topic, partition)
                self._ends[place] = end
        self._drop_finished()

    def _drop_finished(self) -> None:
        for place, end in self._ends.items():
            if place in self.places and self.places[place] >= end:
                del self.places[place]

    def poll(self) -> Iterator[Incoming]:
        """The records of one round of requests, after which every position is where they end."""
        sys.stdout.buffer.flush()  # before waiting: what came is seen
        for leader in sorted({self._leaders[place] for place in self.places}):
            yield from self._fetch(leader)
        self._drop_finished()

    def _fetch(self, leader: int) -> Iterator[Incoming]:
        asked = [place for place in self.places if self._leaders[place] == leader]
        topics = [
            messages.FetchRequestFetchTopic(
                topic=topic,
                partitions=[
                    messages.FetchRequestFetchPartition(
                        partition=place.partition,
                        fetch_offset=self.places[place],
                        partition_max_bytes=PARTITION_SIZE_MAX,
                    )
                    for place in asked
                    if place.topic == topic
                ],
            )
            for topic in sorted({place.topic for place in asked})
        ]
        request = messages.FetchRequest(
            max_wait_ms=MAX_WAIT_MS, min_bytes=1, max_bytes=FETCH_SIZE_MAX, topics=topics
        )
        answer = self._client.broker(leader).call(FETCH, request)
        assert isinstance(answer, messages.FetchResponse)
        if answer.error_code:
            raise refusal("fetch", answer.error_code)
        for topic in answer.responses:
            for part in topic.partitions:
                place = Place(topic.topic, part.partition_index)
                if part.error_code:
                    self._recover(place, part.error_code)
                elif part.records:
                    yield from self._records(place, part.records)

    def _recover(self, place: Place, code: int) -> None:
        what = f"topic {place.topic!r} partition {place.partition}"
        if code == ErrorCode.NOT_LEADER_OR_FOLLOWER:
            self._client.restart_deadline()
            self._leaders[place] = self._client.leaders(place.topic, of=[place.partition])[
                place.partition
            ]
        elif code == ErrorCode.OFFSET_OUT_OF_RANGE:
            start = self._client.offsets(place.topic, [place.partition], EARLIEST)
            end = self._client.offsets(place.topic, [place.partition], LATEST)
            raise CommandError(
                f"{what}: offset {self.places[place]} is outside "
                f"{start[place.partition]}..{end[place.partition]}"
            )
        else:
            raise refusal(what, code)

    def _records(self, place: Place, data: bytes) -> Iterator[Incoming]:
        """The records of whole batches from the position on; a cut last batch comes again."""
        rest = memoryview(data)
        end = self._ends.get(place)
        while len(rest) >= BATCH_HEADER_SIZE:
            header = batch.header(rest)
            if header.size > len(rest):
                break
            try:
                batch.check(rest[: header.size])
                if not header.attributes & CONTROL_ATTRIBUTE:
                    found = batch.records(rest[: header.size], decompress=codecs.decompress)
                    for record in found:
                        if self.places[place] <= record.offset and (
                            end is None or record.offset < end
                        ):
                            yield Incoming(place.topic, place.partition, record)
            except CorruptDataError as error:
                what = f"topic {place.topic!r} partition {place.partition}"
                raise CommandError(f"{what}, batch at {header.base_offset}: {error}") from error
            after = header.base_offset + header.last_offset_delta + 1
            self.places[place] = max(self.places[place], after)
            rest = rest[header.size :]
