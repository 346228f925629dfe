"""meghna log stats: what a log consists of, a row a partition."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from meghna.cli.record_text import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meghna._native.inspect import Totals
    from meghna.cli.log_partition import Partition
    from meghna.cli.log_verify import Survey
    from meghna.cli.output import Row

_CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
_INDEX_SUFFIXES: Final = (".index", ".timeindex", ".txnindex")


def rows(survey: Survey) -> list[Row]:
    return [_row(partition) for partition in survey.partitions]


def _row(partition: Partition) -> Row:
    totals = [segment.totals for segment in partition.segments if segment.totals is not None]
    batches = _sum(totals, "batches")
    records = _sum(totals, "records")
    looked_at = sum(sum(found.values) for found in totals)
    seen = [found for found in totals if found.batches]
    size = sum(segment.size for segment in partition.segments)
    index_size = sum(
        os.path.getsize(path)
        for segment in partition.segments
        for suffix in _INDEX_SUFFIXES
        if os.path.exists(path := partition.path.file(segment.base, suffix))
    )
    earliest = min((found.min_timestamp for found in seen), default=-1)
    latest = max((found.max_timestamp for found in seen), default=-1)
    is_timed = bool(seen) and earliest < (1 << 63) - 1
    return {
        "partition": partition.path.name,
        "segments": len(partition.segments),
        "bytes": size,
        "batches": batches,
        "records": records,
        "records_a_batch": f"{records / batches:.1f}" if batches else None,
        "first_offset": seen[0].first_offset if seen else None,
        "end_offset": partition.end_offset,
        "first_time": rfc3339(earliest) if is_timed else None,
        "last_time": rfc3339(latest) if latest >= 0 else None,
        "codecs": _codecs(totals),
        "null_keys": _share(_sum(totals, "null_keys"), looked_at),
        "null_values": _share(_sum(totals, "null_values"), looked_at),
        "value_bytes": _histogram(totals),
        "index_bytes": index_size,
        "index_share": _share(index_size, size),
    }


def _sum(totals: Iterable[Totals], name: str) -> int:
    return sum(getattr(found, name) for found in totals)


def _share(part: int, whole: int) -> str | None:
    return f"{part / whole:.2%}" if whole else None


def _codecs(totals: list[Totals]) -> Row:
    """Batches by codec, and how far each one shrank its records."""
    told: Row = {}
    for codec, name in enumerate(_CODECS):
        batches = sum(found.codec_batches[codec] for found in totals)
        packed = sum(found.codec_bytes[codec] for found in totals)
        opened = sum(found.opened_bytes[codec] for found in totals)
        if batches:
            ratio = f" ({opened / packed:.2f}:1)" if codec and packed and opened else ""
            told[name] = f"{batches}{ratio}"
    return told


def _histogram(totals: list[Totals]) -> Row:
    """Records by the size of their value: the key is the least size of the class."""
    told: Row = {}
    classes = max((len(found.values) for found in totals), default=0)
    for order in range(classes):
        count = sum(found.values[order] for found in totals)
        if count:
            told[str(0 if order == 0 else 1 << (order - 1))] = count
    return told
