"""What Meghna is timed at. A job prepares, yields, works, yields, and checks what it did."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.library.inputs import WrongContentError

import meghna
from meghna._native import scan as native
from meghna._native.ingest import Column, Rows, encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.library.inputs import Inputs

    from meghna.engine.topic import Topic

_NOW_MS = 1_800_000_000_000


@contextmanager
def _topic(folder: Path) -> Iterator[Topic]:
    with meghna.open(folder / "data") as log:
        yield log.topic("records", create=True)


@contextmanager
def _filled(inputs: Inputs, folder: Path) -> Iterator[Topic]:
    with _topic(folder) as topic:
        for batch in inputs.batches:
            topic.append_many(batch)
        yield topic


def _check(topic: Topic, inputs: Inputs) -> None:
    """Reads all of it, which checks every batch's CRC, and compares offsets and content."""
    table = topic.scan(columns=["offset", "value"], copy=True).to_arrow()
    offsets = table["offset"].to_numpy()
    if not (offsets == np.arange(inputs.count)).all():
        raise WrongContentError("offsets have gaps")
    inputs.check_columns(table["value"].chunks)


def _append(inputs: Inputs, folder: Path, calls: list[object], flush: str) -> Iterator[None]:
    with _topic(folder) as topic:
        yield
        for rows in calls:
            topic.append_many(rows, flush=flush)
        yield
        if flush == "group" and topic.partitions[0].durable_end != inputs.count:
            raise WrongContentError("not all is durable")
        _check(topic, inputs)


def append_list(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _append(inputs, folder, [*inputs.lists], "none")


def append_arrow(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _append(inputs, folder, [*inputs.batches], "none")


def append_numpy(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _append(inputs, folder, [*inputs.arrays], "none")


def append_list_durable(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _append(inputs, folder, [*inputs.lists], "group")


def append_arrow_durable(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _append(inputs, folder, [*inputs.batches], "group")


def append_single(inputs: Inputs, folder: Path) -> Iterator[None]:
    values = [value for part in inputs.lists for value in part]
    with _topic(folder) as topic:
        yield
        for value in values:
            topic.append(value)
        yield
        _check(topic, inputs)


def iterate(inputs: Inputs, folder: Path) -> Iterator[None]:
    size = 0
    with _filled(inputs, folder) as topic:
        yield
        for record in topic.read():
            size += len(record.value or b"")
        yield
        _check(topic, inputs)
    if size != 100 * inputs.count:
        raise WrongContentError(f"{size} bytes were read")


def iterate_values(inputs: Inputs, folder: Path) -> Iterator[None]:
    size = 0
    with _filled(inputs, folder) as topic:
        yield
        for batch in topic.scan(columns=["value"], max_rows=1_000):
            for value in batch["value"].to_pylist():
                size += len(value)
        yield
    if size != 100 * inputs.count:
        raise WrongContentError(f"{size} bytes were read")


def scan(inputs: Inputs, folder: Path) -> Iterator[None]:
    from benchmarks.library.frames import check_hashed, hashed  # noqa: PLC0415 - needs polars

    with _filled(inputs, folder) as topic:
        yield
        found = hashed(topic.scan(columns=["offset", "value"]).to_polars_lazy())
        yield
        check_hashed(found, inputs)


def scan_frames(inputs: Inputs, folder: Path) -> Iterator[None]:
    """The CRC reads every byte here; polars gets frames and adds up the offsets."""
    from benchmarks.library.frames import frame_of  # noqa: PLC0415

    count = total = 0
    with _filled(inputs, folder) as topic:
        yield
        for batch in topic.scan(columns=["offset", "value"]):
            frame = frame_of(batch)
            count += len(frame)
            total += frame["offset"].sum()
        yield
    if (count, total) != (inputs.count, inputs.count * (inputs.count - 1) // 2):
        raise WrongContentError(f"{count} records were scanned")


# ---- The codec alone, in memory ----


def encode_columns(inputs: Inputs, folder: Path) -> Iterator[None]:
    from benchmarks.library.peers import kafka_values  # noqa: PLC0415

    del folder
    columns = [(batch.num_rows, batch["value"]) for batch in inputs.batches]
    made = b""
    yield
    for count, column in columns:
        _, offsets, data = column.buffers()
        values = Column.offsets(data, offsets, wide=False, start=column.offset, count=count)
        made = encode(Rows(values=values, timestamp=_NOW_MS))
    yield
    if list(kafka_values(made)) != columns[-1][1].to_pylist():
        raise WrongContentError("the last batch reads otherwise")


def _decode(inputs: Inputs, folder: Path, columns: int) -> Iterator[None]:
    count = 0
    with _filled(inputs, folder) as topic:
        log = topic.partitions[0].log

        def source() -> native.Scanner:
            return native.Scanner(log, 0, log.end_offset, columns=columns, rows_max=10_000)

        # The batches are in memory, as the peer's are: their pages are mapped, and stay so as long
        # as a chunk refers to them.
        before = source()
        held = []
        while (chunk := before.next()) is not None:
            held = [chunk]
        timed = source()
        yield
        while (chunk := timed.next()) is not None:
            count += chunk.count
        yield
        held.clear()
        _check(topic, inputs)
    if count != inputs.count:
        raise WrongContentError(f"{count} records were decoded")


def decode_columns(inputs: Inputs, folder: Path) -> Iterator[None]:
    """Offsets, times, keys, values and headers, to Arrow's columns; CRCs checked."""
    yield from _decode(inputs, folder, native.ALL)


def decode_values(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _decode(inputs, folder, native.VALUES)
