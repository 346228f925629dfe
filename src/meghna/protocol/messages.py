"""The classes of Kafka's messages: named tuples with snake_case fields and Kafka's defaults.

    from meghna.protocol.messages import MetadataRequest, MetadataResponseTopic

messages.pyi declares them all; here a class is made when it is first asked for, with its message's
other structs, because all of them together would cost more memory and time than the broker has. A
struct is named as in Kafka's definition; where two messages share a name, the message's name stands
before it (`ProduceResponseNodeEndpoint`).

The classes behave as `typing.NamedTuple` does, and are made by hand because that one compiles a
function for every class. They hold no Kafka knowledge beyond names and defaults.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from meghna.protocol import table
from meghna.protocol.codec import Shape, Slot, construct

if TYPE_CHECKING:
    from collections.abc import Iterable

ZEROS: dict[str, object] = {
    "bool": False,
    "float64": 0.0,
    "uuid": bytes(16),
    "string": "",
    "bytes": b"",
    "records": b"",
} | dict.fromkeys(("int8", "int16", "uint16", "int32", "uint32", "int64"), 0)


_MAKING = threading.Lock()


class Message(tuple[object, ...]):
    """What every message and struct is: a tuple with named fields and defaults."""

    __slots__ = ()
    __new__ = staticmethod(construct)  # type: ignore[assignment]
    _shape: Shape
    _fields: tuple[str, ...]

    @classmethod
    def _make(cls, values: Iterable[object]) -> Message:
        given = tuple(values)
        if len(given) != len(cls._fields):
            raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, not {len(given)}")
        return cls(*given)

    def _replace(self, **changes: object) -> Message:
        return type(self)(**(self._asdict() | changes))

    def _asdict(self) -> dict[str, object]:
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
        return f"{type(self).__name__}({fields})"

    def __getnewargs__(self) -> tuple[object, ...]:
        return tuple(self)


def __getattr__(name: str) -> type[Message]:
    definition = None if name.startswith("_") else table.message_with_class(name)
    if definition is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _MAKING:
        # A thread that came second must not have classes of its own.
        if name not in globals():
            globals().update(make_classes(definition))
        made: type[Message] = globals()[name]
        return made


def __dir__() -> list[str]:
    return [*globals(), *table.class_names()]


def make_classes(definition: table.Definition) -> dict[str, type[Message]]:
    """The classes of a message and its structs, each after those its defaults need."""
    classes: dict[str, type[Message]] = {}

    def make(class_name: str) -> type[Message]:
        if class_name not in classes:
            fields = definition.structs[class_name]
            classes[class_name] = make_class(
                class_name, tuple(field.name for field in fields), tuple(map(default, fields))
            )
        return classes[class_name]

    def default(field: table.Field) -> object:
        if field.type in ZEROS or field.is_array or field.default == "null":
            return primitive_default(field)
        return make(field.type)()

    for class_name in definition.structs:
        make(class_name)
    return classes


def primitive_default(field: table.Field) -> object:
    if field.default == "null":
        return None
    if field.is_array:
        return ()
    if field.default == "":
        return ZEROS[field.type]
    return True if field.type == "bool" else int(field.default)


def make_class(name: str, fields: tuple[str, ...], defaults: tuple[object, ...]) -> type[Message]:
    names = tuple(map(sys.intern, fields))
    body: dict[str, object] = {
        "__slots__": (),
        "__module__": __name__,
        "__match_args__": names,
        "_fields": names,
        "_field_defaults": dict(zip(names, defaults, strict=True)),
        "_shape": Shape(names, defaults),
    }
    body.update((field, Slot(index)) for index, field in enumerate(names))
    return type(name, (Message,), body)
