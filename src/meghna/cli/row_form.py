"""How rows become records: what the options of `meghna ingest` say of keys, values and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from meghna.cli.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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
    text: bool = False

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

    def rest(self, first: int) -> Piece:
        """The rows of it from number `first` on."""
        skipped = max(first - self.first, 0)
        return self._replace(rows=self.rows[skipped:], first=self.first + skipped)


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


def count_older(piece: Piece, than_ms: int) -> int:
    """How many rows have a time of their own before `than_ms`."""
    if isinstance(piece.rows, list):
        stamps = [row[3] for row in piece.rows if len(row) > 3]
        return sum(isinstance(stamp, int) and stamp < than_ms for stamp in stamps)
    name = piece.columns.get("timestamp") if piece.columns else "timestamp"
    if not isinstance(name, str) or name not in piece.rows.schema.names:
        return 0
    import numpy as np  # noqa: PLC0415 - with pyarrow, slow to import

    from meghna.engine import arrow_rows  # noqa: PLC0415

    found = memoryview(arrow_rows.times(piece.rows.column(name), now_ms=than_ms))
    return int((np.frombuffer(found, np.int64) < than_ms).sum())


def check_names(wanted: Iterable[str], there: Iterable[str], where: str) -> None:
    """Raise CommandError where a column is not there."""
    known = list(there)
    for name in wanted:
        if name not in known:
            raise CommandError(f"{where} has no column {name!r}; it has {', '.join(known)}")


def times(column: pa.Array, where: Callable[[int], str]) -> pa.Array:
    """Milliseconds from a column of times: numbers of them, ISO 8601 (UTC without a zone), or
    Arrow's own times. `where` names a row of it. Raises CommandError."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    import pyarrow.types as t  # noqa: PLC0415

    if not t.is_string(column.type):
        return column
    kinds = (pa.int64(), pa.timestamp("ms"), pa.timestamp("ms", "UTC"))
    for kind in kinds:
        if _casts(column, kind):
            return column.cast(kind)
    row = max(_first_not(column, kind) for kind in kinds)
    text = column[row].as_py()
    if any(_casts(column[row : row + 1], kind) for kind in kinds):
        raise CommandError(f"{where(row)}: {text!r} is not written as the times before it")
    raise CommandError(f"{where(row)}: {text!r} is no time (milliseconds or ISO 8601)")


def _casts(column: pa.Array, kind: pa.DataType) -> bool:
    import pyarrow as pa  # noqa: PLC0415

    try:
        column.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _first_not(column: pa.Array, kind: pa.DataType) -> int:
    """The first row that is not of a kind, in a column where one is not."""
    good, bad = 0, len(column)  # rows that are all of it, and that are not
    while bad - good > 1:
        middle = (good + bad) // 2
        if _casts(column[good:middle], kind):
            good = middle
        else:
            bad = middle
    return good
