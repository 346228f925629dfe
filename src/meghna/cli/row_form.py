"""How rows become records: what the options of `meghna ingest` say of keys, values and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from meghna.cli.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

# What `meghna consume -O ndjson` and `meghna export` write; rows of nothing else are records.
RECORD_FIELDS: Final = frozenset(
    {"topic", "partition", "offset", "timestamp", "key", "key_base64", "value", "value_base64",
     "headers"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowForm:
    """What a record is made of; columns by name."""

    format: str
    key: str | None = None
    values: tuple[str, ...] = ()
    timestamp: str | None = None
    raw: bool = False
    delimiter: str | None = None
    has_header: bool = True

    @property
    def named(self) -> list[str]:
        """The columns that options name, each once."""
        chosen = (self.key, *self.values, self.timestamp)
        return list(dict.fromkeys(name for name in chosen if name is not None))


class Piece(NamedTuple):
    """Some rows that follow one another in a file."""

    rows: pa.RecordBatch | list[tuple[object, ...]]
    """A batch of columns key, value, timestamp, headers as far as there are; or tuples of them."""
    first: int
    """The number of its first row in the file, from 0."""
    columns: Mapping[str, object] = {}
    """What else `Topic.append_many` takes: which columns are what."""


class RowSource(Protocol):
    """A file as rows."""

    is_keyed: bool
    """Whether rows may have keys."""
    rows: int
    """How many rows were seen so far, or at the end of `pieces`: how many there are."""

    def pieces(self, first: int) -> Iterator[Piece]:
        """The rows from number `first` on. Raises CommandError at what is no row."""

    def fraction(self) -> float | None:
        """How much of the file was read, from 0 to 1, if known."""


def are_records(names: Iterable[str]) -> bool:
    """Whether rows with these columns are records that `export` or `consume` wrote."""
    found = set(names)
    return found <= RECORD_FIELDS and bool({"value", "value_base64"} & found)


def check_names(wanted: Iterable[str], there: Iterable[str], where: str) -> None:
    """Raise CommandError where a column is not there."""
    known = list(there)
    for name in wanted:
        if name not in known:
            raise CommandError(f"{where} has no column {name!r}; it has {', '.join(known)}")


def times(column: pa.Array, where: str) -> pa.Array:
    """Milliseconds from a column of times: numbers of them, ISO 8601 (UTC without a zone), or
    Arrow's own times. Raises CommandError."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    import pyarrow.types as t  # noqa: PLC0415

    if not t.is_string(column.type):
        return column
    for kind in (pa.int64(), pa.timestamp("ms"), pa.timestamp("ms", "UTC")):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid as error:
            reason = error
    raise CommandError(f"{where}: not a time (milliseconds or ISO 8601): {reason}")
