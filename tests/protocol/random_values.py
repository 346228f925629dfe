"""Random messages of any name and version, made from the table.

Numbers are drawn small or at their limits, text holds more than ASCII, arrays are short, and a
tagged field is left at its default more often than not. `tame` draws only what kio can hold: it
reads times as datetimes and error codes as an enum.
"""

from __future__ import annotations

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
    def struct(class_name: str) -> tuple[object, ...]:
        fields = definition.structs[class_name]
        present = [field for field in fields if field.versions.has(version)]
        values = {
            field.name: value(field)
            for field in present
            if not (field.tagged.has(version) and rng.random() < 0.6)
        }
        return cast("tuple[object, ...]", getattr(messages, class_name)(**values))

    def value(field: table.Field) -> object:
        if field.nullable.has(version) and rng.random() < 0.2:
            return None
        if field.is_array:
            return tuple(element(field) for _ in range(rng.choice((0, 1, 1, 2, 3))))
        return element(field)

    def element(field: table.Field) -> object:  # noqa: PLR0911 (a table of types)
        if field.type in definition.structs:
            return struct(field.type)
        if field.type == "bool":
            return rng.random() < 0.5
        if field.type == "float64":
            return rng.choice((0.0, -1.5, rng.random()))
        if field.type == "uuid":
            return rng.choice((bytes(16), rng.randbytes(16)))
        if field.type == "string":
            return "".join(rng.choices(LETTERS, k=rng.choice((0, 1, 5, 60))))
        if field.type in ("bytes", "records"):
            return rng.randbytes(rng.choice((0, 1, 9, 200)))
        return number(field)

    def number(field: table.Field) -> int:
        smallest, largest = (TAME_LIMITS if tame else LIMITS)[field.type]
        if tame and "error_code" in field.name:
            smallest, largest = ERROR_CODES
        return rng.choice((smallest, largest, rng.randint(smallest, largest), max(smallest, 1)))

    return struct(definition.name)
