"""Random messages of any name and version, made from the table.

Numbers are drawn small or at their limits, text holds more than ASCII, arrays are short, and a
tagged field is left at its default more often than not. `tame` draws only what kio can hold: it
reads times as datetimes and error codes as an enum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from meghna.protocol import messages, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

LIMITS = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
TAME_LIMITS = LIMITS | {"int32": (0, 10**6), "int64": (0, 10**12)}
ERROR_CODES = (-1, 90)
LETTERS = "abc._-é☃𝄞"


def all_versions(*kinds: str) -> Iterator[tuple[table.Definition, int]]:
    """Every message and version of those kinds, or of all."""
    for name in table.messages():
        definition = table.message(name)
        assert definition is not None
        if not kinds or definition.kind in kinds:
            for version in range(definition.versions.first, definition.versions.last + 1):
                yield definition, version


def random_message(
    rng: Random, definition: table.Definition, version: int, *, tame: bool = False
) -> tuple[object, ...]:
    return Draw(rng, definition, version, tame).struct(definition.name)


@dataclass(frozen=True, slots=True)
class Draw:
    rng: Random
    definition: table.Definition
    version: int
    is_tame: bool

    def struct(self, class_name: str) -> tuple[object, ...]:
        values = {
            field.name: self.value(field)
            for field in self.definition.structs[class_name]
            if field.versions.has(self.version)
            and not (field.tagged.has(self.version) and self.rng.random() < 0.6)
        }
        return cast("tuple[object, ...]", getattr(messages, class_name)(**values))

    def value(self, field: table.Field) -> object:
        if field.nullable.has(self.version) and self.rng.random() < 0.2:
            return None
        if field.is_array:
            return tuple(self.element(field) for _ in range(self.rng.choice((0, 1, 1, 2, 3))))
        return self.element(field)

    def element(self, field: table.Field) -> object:
        if field.type in self.definition.structs:
            return self.struct(field.type)
        if field.type in LIMITS:
            return self.number(field)
        if field.type == "string":
            return "".join(self.rng.choices(LETTERS, k=self.rng.choice((0, 1, 5, 60))))
        if field.type in ("bytes", "records"):
            return self.rng.randbytes(self.rng.choice((0, 1, 9, 200)))
        if field.type == "uuid":
            return self.rng.choice((bytes(16), self.rng.randbytes(16)))
        if field.type == "bool":
            return self.rng.random() < 0.5
        assert field.type == "float64", field
        return self.rng.choice((0.0, -1.5, self.rng.random()))

    def number(self, field: table.Field) -> int:
        smallest, largest = (TAME_LIMITS if self.is_tame else LIMITS)[field.type]
        if self.is_tame and "error_code" in field.name:
            smallest, largest = ERROR_CODES
        between = self.rng.randint(smallest, largest)
        return self.rng.choice((smallest, largest, between, max(smallest, 1)))
