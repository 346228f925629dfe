from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meghna._native.batch import Record
from meghna.cli.resume import (
    STRIPE_ROWS,
    Taken,
    first_missing,
    stripe_partition,
    turn_of,
)
from meghna.cli.row_form import Piece


def test_rows_with_keys_may_be_missing_after_the_lowest_position() -> None:
    assert first_missing([5, 3, 9], turn=1, is_keyed=True) == 4
    assert first_missing([5, None], turn=1, is_keyed=True) == 0
    assert first_missing([5], turn=1, is_keyed=False) == 6


@given(
    st.integers(1, 5),
    st.integers(0, 1000),
    st.integers(0, 9 * STRIPE_ROWS),
    st.integers(0, 3 * STRIPE_ROWS),
)
def test_rows_without_keys_go_on_where_one_is_missing(
    partitions: int, turn: int, rows: int, lost: int
) -> None:
    """`rows` were dealt out, and then one partition lost its last ones."""
    edges = {edge for n in range(0, rows, STRIPE_ROWS) for edge in (n, n + STRIPE_ROWS - 1)}
    lasts: list[int | None] = [None] * partitions
    for row in sorted(edge for edge in edges | {rows - 1} if 0 <= edge < rows):
        lasts[stripe_partition(row, turn=turn, partitions=partitions)] = row
    expected = rows
    last = lasts[0]
    if last is not None and lost:
        kept = last - lost  # a position in the same stripe, or nothing
        if kept >= 0 and kept // STRIPE_ROWS == last // STRIPE_ROWS:
            lasts[0], expected = kept, kept + 1
    assert first_missing(lasts, turn=turn, is_keyed=False) == expected


def test_a_turn_is_the_names_alone() -> None:
    assert turn_of("a") == turn_of("a") != turn_of("b")


def test_a_row_is_what_was_taken_however_csv_spells_its_cells() -> None:
    piece = Piece([(b"k", b"v"), (b"k", b'{"zip":"94107","on":"true","n":null}')], 10)

    def is_same(position: int, value: bytes | None, key: bytes | None = b"k") -> bool:
        return Taken(position, 0, Record(0, 0, key, value, ())).is_row_of(piece)

    assert is_same(10, b"v")
    assert not is_same(10, b"w")
    assert not is_same(10, None)
    assert not is_same(10, b"v", key=None)
    assert is_same(11, b'{"zip":94107,"on":true,"n":null}')
    assert not is_same(11, b'{"zip":94108,"on":true,"n":null}')
    assert not is_same(11, b'{"zip":94107,"on":true,"n":"null"}')
    assert Taken(10, 0, None).is_row_of(piece)
