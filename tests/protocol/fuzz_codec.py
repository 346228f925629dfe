"""Mutates valid messages and decodes them: nothing but ProtocolError may come out.

What is accepted all the same must survive being encoded again. One seed makes one run:

    python -m protocol.fuzz_codec [--count 100000] [--seed 1] [--kind request]      (in tests/)
"""

from __future__ import annotations

import argparse
import random
import sys

from meghna.errors import ProtocolError
from meghna.protocol.plans import plan
from meghna.protocol.wire import REQUEST_VALUES_MAX
from protocol.random_values import all_versions, random_message

# Bytes that mean something: varint limits, nulls, signs, long counts.
TELLING = (0x00, 0x01, 0x02, 0x7F, 0x80, 0xFE, 0xFF)
MUTATIONS_EACH = 40


def fuzz(seed: int, count: int, *kinds: str) -> int:
    """Decode `count` mutants; return how many were accepted."""
    rng = random.Random(seed)
    versions = list(all_versions(*kinds))
    accepted = tried = 0
    while tried < count:
        definition, version = rng.choice(versions)
        made = plan(definition.name, version)
        data = made.encode(random_message(rng, definition, version), b"")
        for _ in range(min(MUTATIONS_EACH, count - tried)):
            mutant = mutate(rng, data)
            tried += 1
            try:
                message, _ = made.decode(mutant, 0, REQUEST_VALUES_MAX)
            except ProtocolError:
                continue
            accepted += 1
            again, _ = made.decode(made.encode(message, b""), 0, REQUEST_VALUES_MAX)
            # A NaN is no number, not even itself.
            assert repr(again) == repr(message), (definition.name, version, mutant.hex())
    return accepted


def mutate(rng: random.Random, data: bytes) -> bytes:
    mutant = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(mutant) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            mutant[place : place + 1] = bytes((rng.choice(TELLING),))
        elif kind == 1:
            mutant[place : place + 1] = bytes((rng.randrange(256),))
        elif kind == 2:
            del mutant[place : place + rng.choice((1, 2, 4, 100))]
        elif kind == 3:
            mutant[place:place] = bytes(rng.choices(TELLING, k=rng.choice((1, 4, 5))))
        elif kind == 4:
            mutant[place:place] = mutant[: rng.randrange(64)]
        else:
            mutant[place : place + 4] = rng.choice((b"\x7f\xff\xff\xff", b"\xff" * 4, bytes(4)))
    return bytes(mutant)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", action="append", default=[])
    arguments = parser.parse_args()
    accepted = fuzz(arguments.seed, arguments.count, *arguments.kind)
    sys.stdout.write(f"seed {arguments.seed}: {arguments.count} mutants, {accepted} accepted\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
