"""The table-driven codec: values from bytes and bytes from values, one struct version at a time.

A Plan is one struct in one version: for each field of its class what is on the wire, if anything.
Plans hold plans, as structs hold structs, so the depth of a message is fixed by its definition.

Decoding is bounded whatever the bytes say. A count is refused unless that many elements of the
smallest size can be in the bytes left, and unless the values they make fit in `values_max`, before
anything is allocated; unknown tagged fields are passed over and not stored; tags must ascend.
Nothing decoded refers to the bytes it came from.

Shape, Slot and construct are what the classes of messages are made of: a tuple's fields and
defaults, the descriptor that reads one field, and the classes' `__new__`.
"""

from typing import TypeVar

from typing_extensions import Buffer

# name, type, is array, is compact, is nullable, tag or -1, default, is ignorable. The type is one
# of Kafka's primitives, the plan of a struct, or None where the version lacks the field.
FieldEntry = tuple[str, str | Plan | None, bool, bool, bool, int, object, bool]

Made = TypeVar("Made")

class Plan:
    """One struct in one version. Immutable; keeps its class and the plans within it."""

    def __init__(
        self,
        label: str,
        cls: type[tuple[object, ...]],
        is_flexible: bool,
        fields: tuple[FieldEntry, ...],
        /,
    ) -> None: ...
    @property
    def label(self) -> str: ...
    @property
    def cls(self) -> type[tuple[object, ...]]: ...
    @property
    def size_min(self) -> int: ...
    def decode(
        self, data: Buffer, start: int, values_max: int, /
    ) -> tuple[tuple[object, ...], int]:
        """Return the value that begins at `start`, and where it ends.

        Raises ProtocolError, naming struct and field, when the bytes are malformed.
        """

    def encode(self, value: tuple[object, ...], prefix: bytes, /) -> bytes:
        """Return `prefix` and the encoded value.

        Raises ValueError, naming struct and field, when the value does not fit this version: a
        field that the version lacks must hold its default, unless it may be ignored.
        """

class Shape:
    """The names and defaults of a class's fields."""

    def __init__(self, names: tuple[str, ...], defaults: tuple[object, ...], /) -> None: ...

class Slot:
    """Reads the field of that index."""

    def __init__(self, index: int, /) -> None: ...
    def __get__(self, instance: object, owner: object) -> object: ...

def construct(cls: type[Made], /, *args: object, **kwargs: object) -> Made:
    """The `__new__` of a class that has a Shape as `_shape`."""
