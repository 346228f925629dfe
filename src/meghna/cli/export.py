"""meghna export TOPIC [FILE]: a topic of a data directory as a file, also beside a running broker.

The directory is opened read-only. What is exported ends where the topic ended when it began. FILE
appears when it is whole; standard output gets rows as they come.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Final, cast

from meghna.cli.consume import parse_time
from meghna.cli.input_file import FORMATS, STDIN, format_of, suffixes
from meghna.cli.interrupts import Interrupts
from meghna.cli.outcome import CommandError, Exit, concluded, note
from meghna.cli.progress import Progress
from meghna.config import DEFAULT_DATA_DIRECTORY
from meghna.errors import ConfigError, Error, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meghna.cli.row_sink import RowSink
    from meghna.engine.log import Log
    from meghna.engine.moments import Moment
    from meghna.engine.scan import Scan
    from meghna.engine.topic import Topic

_STDOUT: Final = STDIN
# What each format can be compressed with; the first is its default. Text is compressed as a whole.
_COMPRESSIONS: Final = {
    "parquet": ("zstd", "none", "snappy", "gzip", "lz4", "brotli"),
    "arrow": ("none", "lz4", "zstd"),
}
_TEXT_COMPRESSIONS: Final = ("none", "gzip", "zstd")
_BATCH_SIZE: Final = 16 * 1024 * 1024
_BATCH_ROWS_MAX: Final = 65_536
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_EPILOG: Final = """\
WHERE is earliest, latest, OFFSET, -COUNT (that many before the end), a date or time such as
2024-01-01 or 2024-01-01T12:00 (local, unless it says its zone), @TIME (RFC 3339, UTC unless it says
its zone, or milliseconds) or --start=-1h (so long ago). The record at --end is not exported.

ndjson is what meghna consume -O ndjson writes; meghna produce -i ndjson and meghna ingest take it.
lines are the values alone. csv has text only, and no headers."""


def run(args: list[str]) -> int:
    options = parser().parse_intermixed_args(args)  # options may stand between TOPIC and FILE
    return concluded(lambda: export(options))


def parser() -> ArgumentParser:
    made = ArgumentParser(
        prog="meghna export",
        description="A topic of a data directory as a file, also while a broker has it.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument("topic", metavar="TOPIC")
    made.add_argument("file", metavar="FILE", nargs="?", default=_STDOUT, help="standard output")
    made.add_argument(
        "--data", metavar="DIR", default=DEFAULT_DATA_DIRECTORY, help="default %(default)s"
    )
    made.add_argument("--format", choices=FORMATS, help="by the name; to standard output: lines")
    made.add_argument("--start", metavar="WHERE", default="earliest", help="default earliest")
    made.add_argument("--end", metavar="WHERE", default="latest", help="default latest")
    made.add_argument("-p", "--partition", type=int, help="all, one after the other")
    made.add_argument(
        "--columns", metavar="NAME,...",
        help="of offset, timestamp, key, value, headers, partition",
    )  # fmt: skip
    made.add_argument("--compression", metavar="CODEC", help="parquet: zstd; by the name; none")
    made.add_argument("--force", action="store_true", help="replace a file that is there")
    made.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")
    return made


def export(options: Namespace) -> Exit:
    form = options.format or format_of(options.file)
    compression = compression_of(options, form)
    if options.file == _STDOUT and form == "parquet":
        raise CommandError("Parquet is written to a file: name one", Exit.USAGE)
    if options.file == _STDOUT and form == "arrow" and sys.stdout.isatty():
        raise CommandError("arrow is not for a terminal: name a file", Exit.USAGE)
    from meghna.cli.row_sink import columns_of  # noqa: PLC0415 - when the options are fine

    start, end = parse_where(options.start), parse_where(options.end)
    try:
        with Interrupts(), opened(options) as log:
            topic = wanted_topic(log, options)
            scan = topic.scan(
                start,
                end,
                partition=options.partition,
                columns=columns_of(form, options.columns),
                max_rows=rows_at_once(topic),
                copy=True,
            )
            progress = Progress(quiet=options.quiet)
            with target(options, form, compression) as file:
                write(scan, options, sink_of(file, scan, options, form, compression), progress)
    except ConfigError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    except Error as error:
        raise CommandError(str(error)) from error
    if not options.quiet and options.file != _STDOUT:
        note(f"{progress.rows} rows to {options.file} ({progress.summary()})")
    return Exit.OK


def compression_of(options: Namespace, form: str) -> str:
    """How the output is compressed. Raises CommandError (usage)."""
    known = _COMPRESSIONS.get(form, _TEXT_COMPRESSIONS)
    by_name = suffixes(options.file)[1]
    if by_name is not None and form in _COMPRESSIONS:
        raise CommandError(f"{form} is compressed inside: --compression", Exit.USAGE)
    chosen: str = options.compression or by_name or known[0]
    if chosen not in known:
        raise CommandError(f"{form} has compression {', '.join(known)}", Exit.USAGE)
    return chosen


def parse_where(text: str) -> Moment:
    """A place in a topic as the library has them. Raises CommandError (usage)."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if text.startswith("@"):
        return _EPOCH + timedelta(milliseconds=parse_time(text[1:]))
    from meghna.engine.moments import EARLIEST, bound  # noqa: PLC0415 - with all of the library

    try:
        bound(text, now_ms=0, default=EARLIEST)
    except ConfigError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    return text


def opened(options: Namespace) -> Log:
    """The data directory, read-only. Raises CommandError."""
    from meghna.engine.log import open_log  # noqa: PLC0415 - when the options are fine

    try:
        return open_log(options.data, read_only=True)
    except NotFoundError as error:
        raise CommandError(str(error), Exit.NOT_FOUND) from error


def wanted_topic(log: Log, options: Namespace) -> Topic:
    try:
        topic = log.topic(options.topic)
    except NotFoundError as error:
        raise CommandError(str(error), Exit.NOT_FOUND) from error
    if options.partition is not None and not 0 <= options.partition < len(topic.partitions):
        what = f"topic {topic.name!r} partition {options.partition}"
        raise CommandError(f"{what}: there is none", Exit.NOT_FOUND)
    return topic


@contextmanager
def target(options: Namespace, form: str, compression: str) -> Iterator[IO[bytes]]:
    """The open file that rows are written to; text is compressed on its way."""
    from meghna.cli.whole_file import whole_file  # noqa: PLC0415 - with all of storage

    if options.file == _STDOUT:
        with compressed(sys.stdout.buffer, form, compression) as file:
            yield file
        sys.stdout.buffer.flush()
        return
    with (
        whole_file(options.file, force=options.force) as whole,
        compressed(whole, form, compression) as file,
    ):
        yield file


@contextmanager
def compressed(file: IO[bytes], form: str, compression: str) -> Iterator[IO[bytes]]:
    if form in _COMPRESSIONS or compression == "none":
        yield file
    elif compression == "gzip":
        import gzip  # noqa: PLC0415 - one of the two

        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
            yield cast("IO[bytes]", packed)
    else:
        import zstandard  # noqa: PLC0415

        with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as packed:
            yield cast("IO[bytes]", packed)


def sink_of(
    file: IO[bytes], scan: Scan, options: Namespace, form: str, compression: str
) -> RowSink:
    """What writes rows in a format."""
    from meghna.cli import row_sink  # noqa: PLC0415 - with pyarrow, slow to import

    if form == "parquet":
        return row_sink.ParquetSink(file, scan.schema, compression)
    if form == "arrow":
        is_stream = options.file == _STDOUT or options.file.lower().endswith(".arrows")
        codec = None if compression == "none" else compression
        return row_sink.ArrowSink(file, scan.schema, codec, stream=is_stream)
    if form == "csv":
        return row_sink.CsvSink(file, scan.schema)
    if form == "ndjson":
        return row_sink.JsonSink(file, options.topic)
    return row_sink.LineSink(file)


def rows_at_once(topic: Topic) -> int:
    """Rows of a batch, so that it is of some megabytes whatever their size is."""
    size = topic.size // max(len(topic), 1)
    return max(min(_BATCH_SIZE // max(size, 1), _BATCH_ROWS_MAX), 1)


def write(scan: Scan, options: Namespace, sink: RowSink, progress: Progress) -> None:
    """Write all rows of a scan."""
    progress.what = options.topic
    whole = sum(part.end - part.start for part in scan.ranges)
    try:
        for rows in sink.write(scan):
            progress.rows += rows
            progress.draw(progress.rows / whole if whole else None)
        sink.close()
    except BaseException:
        sink.abandon()
        raise
    finally:
        progress.clear()
