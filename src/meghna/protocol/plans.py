"""Makes the codec's plans from the table: one for each struct and version, on first use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from meghna.errors import ProtocolError
from meghna.protocol import messages, table
from meghna.protocol.codec import Plan

if TYPE_CHECKING:
    from meghna.protocol.codec import FieldEntry


@cache
def plan(name: str, version: int) -> Plan:
    """The plan of a message in that version.

    Raises ProtocolError when Kafka has no such version, KeyError when it has no such message.
    """
    definition = table.message(name)
    if definition is None:
        raise KeyError(name)
    if not definition.versions.has(version):
        raise ProtocolError(f"{name} has no version {version}")
    return make_plan(definition, version)


def make_plan(definition: table.Definition, version: int) -> Plan:
    is_flexible = definition.flexible.has(version)
    plans: dict[str, Plan] = {}

    def make(class_name: str) -> Plan:
        if class_name not in plans:
            cls: type[tuple[object, ...]] = getattr(messages, class_name)
            label = f"{definition.name} v{version}"
            if class_name != definition.name:
                label += f" {class_name}"
            fields = definition.structs[class_name]
            defaults = cls._field_defaults  # type: ignore[attr-defined]
            entries = tuple(entry(field, defaults[field.name]) for field in fields)
            plans[class_name] = Plan(label, cls, is_flexible, entries)
        return plans[class_name]

    def entry(field: table.Field, default: object) -> FieldEntry:
        kind: str | Plan | None = None
        if field.versions.has(version):
            kind = make(field.type) if field.type in definition.structs else field.type
        return (
            field.name,
            kind,
            field.is_array,
            is_flexible and field.flexible.has(version),
            field.nullable.has(version),
            field.tag if kind is not None and field.tagged.has(version) else -1,
            default,
            field.is_ignorable,
        )

    return make(definition.name)
