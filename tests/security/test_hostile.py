"""Valid requests of every advertised API, mutated, at a live broker.

It goes on answering within two seconds throughout, and its anonymous memory stays where it was.
MEGHNA_HOSTILE_FRAMES says how many (make hostile), MEGHNA_HOSTILE_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from meghna._native import batch
from meghna.protocol import messages, table, wire
from protocol.random_values import Draw
from support.broker import answers
from support.frames import API_VERSIONS, Peer

if TYPE_CHECKING:
    from support.broker import BrokerProcess

FRAMES = int(os.environ.get("MEGHNA_HOSTILE_FRAMES", "3000"))
SEED = int(os.environ.get("MEGHNA_HOSTILE_SEED", "1"))
MIB = 1024 * 1024
GROWTH_MAX = 128 * MIB
SILENCE_MAX_SECONDS = 2.0
LOOK_EVERY = 500
PATIENCE_SECONDS = 0.02  # for replies: mutated requests are mostly not worth waiting for

# Bytes that mean something at some place: counts, nulls, varint limits.
TELLING = (
    b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff\x0f", b"\xff" * 10,
    b"\x80" * 12, b"\0\0\0\0", b"\x7f\xff", b"\x80\0",
)  # fmt: skip
LYING_SIZES = (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x06\x40\0\0", b"\0\0\0\0", b"\0\0\0\1")
NAMES = ("t", "missing", "", "bad name", "...", "x" * 260, "g", "member", "range", "é☃", "-1")

pytestmark = pytest.mark.timeout(300 + FRAMES // 50)


@dataclass(frozen=True, slots=True)
class PlausibleDraw(Draw):
    """Names that exist, waits that end, batches that parse: so that mutations get far."""

    def element(self, field: table.Field) -> object:
        if field.type == "string":
            return self.rng.choice(NAMES)
        if field.type == "records" and self.rng.random() < 0.8:
            records = [(None, self.rng.randbytes(8), (), 0) for _ in range(self.rng.choice((1, 3)))]
            return batch.build(records)
        # Called by name: a dataclass with slots is made anew, and super() would miss it.
        return Draw.element(self, field)

    def number(self, field: table.Field) -> int:
        if "timeout" in field.name or "wait" in field.name:
            return self.rng.choice((0, 100, 1000))
        if self.rng.random() < 0.6:
            return self.rng.choice((0, 0, 1, -1, 2))
        return Draw.number(self, field)


def random_frame(rng: random.Random, api_key: int, version: int, correlation_id: int) -> bytes:
    definition = table.message_with_key("request", api_key)
    assert definition is not None
    request = PlausibleDraw(rng, definition, version, False).struct(definition.name)
    return wire.encode_request(
        api_key, version, request, correlation_id=correlation_id, client_id="hostile"
    )


def mutated(rng: random.Random, frame: bytes) -> bytes:
    data = bytearray(frame)
    if rng.random() < 0.15:
        return frame
    for _ in range(rng.choice((1, 1, 2, 5))):
        if len(data) < 6:
            break
        position = rng.randrange(4, len(data))
        kind = rng.random()
        if kind < 0.35:
            data[position] ^= 1 << rng.randrange(8)
        elif kind < 0.7:
            telling = rng.choice(TELLING)
            data[position : position + len(telling)] = telling
        elif kind < 0.8:
            del data[position : position + rng.randrange(1, 9)]
        elif kind < 0.9:
            data[position:position] = rng.randbytes(rng.randrange(1, 9))
        else:
            del data[max(position, 5) :]
    if rng.random() < 0.9:  # mostly an honest size, so that the parser is reached
        data[:4] = struct.pack(">i", len(data) - 4)
    elif rng.random() < 0.5:
        data[:4] = rng.choice(LYING_SIZES)
    return bytes(data)


def advertised(port: int) -> dict[int, tuple[int, int]]:
    with Peer(port) as peer:
        answer = peer.call(API_VERSIONS, 0, messages.ApiVersionsRequest())
    assert isinstance(answer, messages.ApiVersionsResponse)
    known = {}
    for api in answer.api_keys:
        definition = table.message_with_key("request", api.api_key)
        if definition is not None:
            first = max(api.min_version, definition.versions.first)
            known[api.api_key] = (first, min(api.max_version, definition.versions.last))
    return known


def send_some(rng: random.Random, port: int, apis: dict[int, tuple[int, int]], base: int) -> int:
    """A few mutated frames over one connection; how many."""
    sent = 0
    try:
        with Peer(port, timeout_seconds=2) as peer:
            peer.socket.settimeout(PATIENCE_SECONDS)
            for _ in range(rng.randrange(1, 6)):
                api_key = rng.choice(list(apis))
                version = rng.randint(*apis[api_key])
                sent += 1
                peer.send(mutated(rng, random_frame(rng, api_key, version, base + sent)))
            while peer.socket.recv(65536):
                pass
    except OSError:
        pass  # closed, or nothing more to say: both are fine
    return sent


def test_the_broker_answers_and_stays_small_whatever_it_is_sent(target: BrokerProcess) -> None:
    rng = random.Random(SEED)
    apis = advertised(target.port)
    # Requests that change nothing warm it up: codecs are built and imported on first use.
    for api_key, (first, last) in apis.items():
        for version in range(first, last + 1):
            with Peer(target.port, timeout_seconds=0.05) as peer:
                try:
                    peer.send(random_frame(rng, api_key, version, 1))
                    peer.reply()
                except OSError:
                    pass
    before = target.anonymous_memory()
    sent, next_look, slowest, peak = 0, LOOK_EVERY, 0.0, before
    while sent < FRAMES:
        sent += send_some(rng, target.port, apis, sent)
        if sent >= next_look:
            next_look += LOOK_EVERY
            began = time.monotonic()
            assert answers(target.port), f"no answer after {sent} frames (seed {SEED})"
            slowest = max(slowest, time.monotonic() - began)
            peak = max(peak, target.anonymous_memory())
            assert peak - before < GROWTH_MAX, f"{(peak - before) // MIB} MiB more after {sent}"
    assert slowest < SILENCE_MAX_SECONDS
    print(
        f"{sent} frames to {len(apis)} APIs, slowest answer {slowest * 1000:.0f} ms, "
        f"memory {before // MIB} to {target.anonymous_memory() // MIB} MiB, peak {peak // MIB}"
    )
    assert "Traceback" not in target.log, target.log[-3000:]


def test_a_mutation_is_repeated_by_its_seed() -> None:
    apis = {3: (0, 12), 0: (3, 9)}

    def run(seed: int) -> list[bytes]:
        rng = random.Random(seed)
        made = []
        for number in range(50):
            api_key = rng.choice(list(apis))
            made.append(mutated(rng, random_frame(rng, api_key, 9, number)))
        return made

    assert run(7) == run(7)
    assert run(7) != run(8)
