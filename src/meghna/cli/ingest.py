"""meghna ingest TOPIC [FILE…]: rows of files into a data directory, without a broker.

Every row has a number in its file, and is appended under it and a name of the file (`resume.py`,
`input_file.producer_name`): what is there already is left out, whatever ended the last run.
"""

from __future__ import annotations

import errno
import os
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from meghna.cli.input_file import FORMATS, STDIN, TABLES, InputFile, format_of, producer_name
from meghna.cli.interrupts import Interrupts
from meghna.cli.outcome import CommandError, Exit, concluded, note
from meghna.cli.progress import Progress
from meghna.cli.read_ahead import ReadAhead
from meghna.cli.resume import (
    STRIPE_ROWS,
    first_missing,
    last_taken,
    partition_of,
    record_of,
    stripe_partition,
    turn_of,
)
from meghna.cli.row_form import Piece, RowForm, count_older
from meghna.config import DEFAULT_DATA_DIRECTORY
from meghna.errors import ConfigError, Error, NoSpaceError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meghna.cli.resume import Taken
    from meghna.cli.row_form import RowSource
    from meghna.engine.log import Log
    from meghna.engine.topic import Topic

_FLUSH_INTERVAL: Final = 5.0  # seconds
_LISTED_MAX: Final = 8  # files, in a message
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")

_DESCRIPTION: Final = """\
Rows of files (or of standard input) into a topic of a data directory, directly: no broker may have
the directory. With a broker running, use meghna produce.

lines    each line is a value
ndjson   each line is a value; or a record, where it has only what meghna export writes
csv      each row becomes a JSON object; or a record, as above. A column whose cells are all
         numbers or booleans in the first 2 MiB has them so in JSON, as they are written; one cell
         like 01234 there makes the column text. --text: every cell is text
parquet, arrow
         columns value, key, timestamp, headers if there are no others; the only column if it is
         text or bytes; otherwise each row becomes a JSON object
Text may be compressed (.gz, .zst). A last line without a newline may not be whole yet: of a file
it is left for the next run (unless it is a JSON object), --whole takes it."""

_EPILOG: Final = """\
Running the same command again goes on where it stopped, also after a crash, and takes what was
added to the end of a file; nothing is appended twice. A file is known by its path, its first line
and the options that make its rows, and refused if the last rows that were taken are others by now;
--no-resume takes it as a new one. Partitions must not be added to the topic in between: rows with
keys that move to them would be appended again (it is refused where the last rows show it).
Standard input has no name: with --producer NAME it goes on as well.

--flush says what survives a power cut: group (default) all of it at the end, and every 5 seconds
what came so far; each: every batch before the next is begun; none: no promise before the end.
The death of the command itself loses nothing that was appended."""


def run(args: list[str]) -> int:
    options = parser().parse_intermixed_args(args)  # options may stand between TOPIC and FILE
    return concluded(lambda: ingest(options))


def parser() -> ArgumentParser:
    made = ArgumentParser(
        prog="meghna ingest",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument("topic", metavar="TOPIC")
    made.add_argument("files", metavar="FILE", nargs="*", default=[STDIN], help="-: standard input")
    made.add_argument(
        "--data", metavar="DIR", default=DEFAULT_DATA_DIRECTORY, help="default %(default)s"
    )
    made.add_argument("--format", choices=FORMATS, help="by the name; of standard input: lines")
    rows = made.add_argument_group("rows")
    rows.add_argument("-k", "--key", metavar="COLUMN", help="the column that is the key")
    rows.add_argument("--value", metavar="COLUMN[,COLUMN...]", help="several: JSON of them")
    rows.add_argument("--timestamp", metavar="COLUMN", help="milliseconds or ISO 8601; now")
    rows.add_argument("--raw", action="store_true", help="ndjson, csv: every line as it is")
    rows.add_argument("--delimiter", metavar="CHAR", help="of csv; a comma, in .tsv a tab")
    rows.add_argument("--text", action="store_true", help="csv: every cell is text in JSON")
    rows.add_argument("--no-header", action="store_true", help="csv columns are column1, column2")
    topic = made.add_argument_group("topic")
    topic.add_argument("--create", action="store_true", help="make the topic if it is not there")
    topic.add_argument("--partitions", type=int, help="of a topic that is made, default 1")
    topic.add_argument("--retention", metavar="TIME", help="such as 7d; without it, for ever")
    topic.add_argument("--compression", choices=CODECS)
    again = made.add_argument_group("appending")
    again.add_argument("-p", "--partition", type=int, help="by the key, or in turn")
    again.add_argument("--producer", metavar="NAME", help="under which rows of one file are known")
    again.add_argument("--no-resume", action="store_true", help="append all rows, again if need be")
    again.add_argument("--whole", action="store_true", help="also a last line without a newline")
    again.add_argument("--flush", choices=("none", "group", "each"), default="group")
    again.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")
    return made


def ingest(options: Namespace) -> Exit:
    forms = [row_form(options, path) for path in options.files]
    if options.producer is not None and len(options.files) > 1:
        raise CommandError("--producer names the rows of one file", Exit.USAGE)
    for path in options.files:
        if path != STDIN and not os.access(path, os.R_OK):
            os.stat(path)  # says best what is wrong with it
            raise CommandError(f"{path}: not permitted")
    try:
        with Interrupts() as interrupts, opened(options) as log:
            is_new = options.topic not in log
            topic = wanted_topic(log, options)
            try:
                with Ingest(topic, options, interrupts) as job:
                    job.take_all(list(zip(options.files, forms, strict=True)))
            except BaseException:
                with suppress(Error):
                    if is_new and not len(topic):
                        log.delete_topic(topic.name)  # as if it had not been tried
                raise
    except ConfigError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    except Error as error:
        raise CommandError(reason(options, error)) from error
    return Exit.OK


def row_form(options: Namespace, path: str) -> RowForm:
    """What the options say of a file's rows. Raises CommandError (usage)."""
    form = RowForm(
        format=options.format or format_of(path),
        key=options.key,
        values=tuple(options.value.split(",")) if options.value else (),
        timestamp=options.timestamp,
        raw=options.raw,
        delimiter=None if options.delimiter is None else options.delimiter.replace("\\t", "\t"),
        has_header=not options.no_header,
        text=options.text,
    )
    wrong = None
    if form.named and (form.raw or form.format == "lines"):
        wrong = "lines have no columns: --key, --value and --timestamp are for parsed rows"
    elif form.raw and form.format in TABLES:
        wrong = f"--raw is for text, not for {form.format}"
    elif form.text and form.format != "csv":
        wrong = f"--text is for csv, not for {form.format}"
    elif form.format == "ndjson" and len(form.values) > 1:
        wrong = "--value takes one column of ndjson"
    elif form.delimiter is not None and len(form.delimiter.encode()) != 1:
        wrong = f"--delimiter is one character, not {form.delimiter!r}"
    if wrong is not None:
        raise CommandError(wrong, Exit.USAGE)
    return form


def opened(options: Namespace) -> Log:
    """The data directory, held. Raises CommandError."""
    from meghna.engine.log import open_log  # noqa: PLC0415 - when the options are fine
    from meghna.storage.directory import DirectoryLockedError  # noqa: PLC0415

    try:
        return open_log(options.data, create=options.create)
    except DirectoryLockedError as error:
        text = f"{error}; while a broker has it, use meghna produce"
        raise CommandError(text) from error
    except NotFoundError as error:
        raise CommandError(f"{error} (--create makes it)", Exit.NOT_FOUND) from error


def wanted_topic(log: Log, options: Namespace) -> Topic:
    try:
        return log.topic(
            options.topic,
            create=options.create,
            partitions=options.partitions,
            retention=options.retention,
            compression=options.compression,
        )
    except NotFoundError as error:
        told = str(error).replace("create=True", "--create")
        raise CommandError(told, Exit.NOT_FOUND) from error


def reason(options: Namespace, error: Exception) -> str:
    """What to say of an error."""
    if isinstance(error, NoSpaceError):
        return f"{os.path.abspath(options.data)}: {os.strerror(error.os_error or errno.ENOSPC)}"
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    return str(error)


class Ingest:
    """Appends files to a topic, one after the other; what was appended is told however it ends."""

    __slots__ = (
        "_expired", "_flusher", "_flushing", "_goes_on", "_interrupts", "_next_flush", "_options",
        "_progress", "_there", "_topic",
    )  # fmt: skip

    def __init__(self, topic: Topic, options: Namespace, interrupts: Interrupts) -> None:
        self._topic = topic
        self._options = options
        self._interrupts = interrupts
        self._progress = Progress(quiet=options.quiet)
        self._there = 0  # rows that were there already
        self._expired = 0  # rows that are older than what the topic keeps
        self._goes_on = False  # when the command is run again, where it is now
        self._flusher = ThreadPoolExecutor(1, "flusher")  # starts its thread when it is needed
        self._flushing: Future[None] | None = None
        self._next_flush = time.monotonic() + _FLUSH_INTERVAL

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._interrupts.held():
            try:
                self._flusher.shutdown()
                if self._options.flush != "none":
                    self._topic.flush()
            finally:
                self._progress.clear()
                if not self._options.quiet or kind is not None:
                    note(self._told(is_interrupted=kind is KeyboardInterrupt))
                if self._expired:
                    note(
                        f"{counted(self._expired)} older than the topic keeps, which are deleted "
                        "soon or already; a longer retention keeps them"
                    )

    def _told(self, *, is_interrupted: bool) -> str:
        there = f"; {counted(self._there)} there already" if self._there else ""
        after = "interrupted after " if is_interrupted else ""
        again = "; run it again to go on" if is_interrupted and self._goes_on else ""
        rows, summary = counted(self._progress.rows), self._progress.summary()
        return f"{after}{rows} to {self._topic.name} ({summary}){there}{again}"

    def take_all(self, files: list[tuple[str, RowForm]]) -> None:
        """Take files in order. Raises CommandError: partial if some were taken whole."""
        for index, (path, form) in enumerate(files):
            try:
                with closing(InputFile(path)) as file:
                    self.take(file, form)
            except (CommandError, Error, OSError) as error:
                if len(files) == 1 or isinstance(error, ConfigError):
                    raise
                paths = [each for each, _ in files]
                raise CommandError(
                    f"{reason(self._options, error)}{listed('taken whole', paths[:index])}"
                    f"{listed('not tried', paths[index + 1 :])}",
                    Exit.PARTIAL if index else Exit.FAILED,
                ) from error

    def take(self, file: InputFile, form: RowForm) -> None:
        """Take a file's rows, but for those that are there. Raises CommandError, Error."""
        self._progress.what = os.path.basename(file.name)
        name = self._producer(file, form)
        self._goes_on = name is not None
        turn = turn_of(name or f"{file.name} {time.monotonic_ns()}")
        is_left = False
        if name is not None and not self._options.whole and form.format not in TABLES:
            is_left = file.leave_unended(unended_of(form))
        source = source_of(file, form)
        first = 0
        lasts = [] if name is None else self._lasts(name)
        taken = {each.position: each for each in lasts if each is not None}
        if name is not None:
            positions = [None if each is None else each.position for each in lasts]
            is_keyed = source.is_keyed or self._options.partition is not None
            first = first_missing(positions, turn=turn, is_keyed=is_keyed)
        with ReadAhead(source.pieces(min([first, *taken]))) as pieces:
            for piece in pieces:
                try:
                    self._check_same(file, piece, taken, turn=turn, is_keyed=source.is_keyed)
                    for part, partition in self._parts(piece.rest(first), source, turn):
                        self._append(part, partition, name)
                except (TypeError, ValueError, NotImplementedError) as error:  # of their columns
                    raise CommandError(f"{file.name}, rows from {piece.first}: {error}") from error
                self._progress.draw(source.fraction())
        self._there += min(first, source.rows)
        last = max(taken, default=-1) + 1
        if source.rows < last:
            raise CommandError(another(file, last, "it has fewer"))
        if is_left:
            note(
                f"{file.name}: a last line without an end was left for the next run; --whole "
                "takes it"
            )

    def _check_same(
        self, file: InputFile, piece: Piece, taken: dict[int, Taken], *, turn: int, is_keyed: bool
    ) -> None:
        """Raise CommandError if a piece has rows that were taken, and they are others by now, or
        belong to other partitions."""
        partitions = len(self._topic.partitions)
        for position, last in taken.items():
            if not piece.first <= position < piece.first + len(piece.rows):
                continue
            if not last.is_row_of(piece):
                raise CommandError(another(file, max(taken) + 1, f"row {position + 1} is another"))
            if self._options.partition is not None:
                continue
            if is_keyed and partitions > 1:
                key = record_of(piece, position - piece.first).key
                home = partition_of(key, turn=turn, partitions=partitions)
            else:
                home = stripe_partition(position, turn=turn, partitions=partitions)
            if home != last.partition:
                raise CommandError(
                    f"{file.name}: {counted(max(taken) + 1)} of it were taken before, when the "
                    "topic had fewer partitions; now some would be appended again"
                )

    def _producer(self, file: InputFile, form: RowForm) -> str | None:
        options = self._options
        if options.no_resume:
            return None
        if options.producer is not None:
            return f"ingest:{options.producer}"
        if file.path == STDIN or not file.is_regular:
            return None
        shape = (form.format, form.key, form.values, form.timestamp, form.raw, form.delimiter,
                 form.has_header, options.partition,
                 *(["text"] if form.text else []))  # fmt: skip
        lines = None if form.format in TABLES else 1 + (form.format == "csv" and form.has_header)
        return producer_name(file, form=shape, lines=lines)

    def _lasts(self, name: str) -> list[Taken | None]:
        number = turn_of(name)
        partitions, only = self._topic.partitions, self._options.partition
        if only is not None:
            partitions = partitions[only : only + 1]
        return [last_taken(partition, number) for partition in partitions] or [None]

    def _parts(
        self, piece: Piece, source: RowSource, turn: int
    ) -> Iterator[tuple[Piece, int | None]]:
        """A piece cut to stripes, if it has no keys, each with its partition."""
        partitions, only = len(self._topic.partitions), self._options.partition
        start, end = piece.first, piece.first + len(piece.rows)
        if start < end and (source.is_keyed or partitions == 1 or only is not None):
            yield piece, only
            return
        while start < end:
            stop = min(start - start % STRIPE_ROWS + STRIPE_ROWS, end)
            rows = piece.rows[start - piece.first : stop - piece.first]
            partition = stripe_partition(start, turn=turn, partitions=partitions)
            yield piece._replace(rows=rows, first=start), partition
            start = stop

    def _append(self, piece: Piece, partition: int | None, name: str | None) -> None:
        options = self._options
        with self._interrupts.held():
            done = self._topic.append_many(
                piece.rows,
                partition=partition,
                flush="each" if options.flush == "each" else "none",
                producer=name,
                position=None if name is None else piece.first,
                **piece.columns,
            )
            self._there += done.skipped
            self._progress.rows += done.count
            if done.count and self._topic.age_max_ms >= 0:
                kept_from = time.time_ns() // 1_000_000 - self._topic.age_max_ms
                self._expired += min(count_older(piece, kept_from), done.count)
            if options.flush == "group":
                self._flush_if_due()

    def _flush_if_due(self) -> None:
        """Flush beside appending; what went wrong with the last flush is raised here."""
        if self._flushing is not None and self._flushing.done():
            self._flushing.result()
            self._flushing = None
        if self._flushing is None and time.monotonic() >= self._next_flush:
            self._flushing = self._flusher.submit(self._topic.flush)
            self._next_flush = time.monotonic() + _FLUSH_INTERVAL


def source_of(file: InputFile, form: RowForm) -> RowSource:
    """What reads a file of a format. Raises CommandError."""
    # Each needs another part of pyarrow, which is slow to import.
    if form.format == "lines" or form.raw:
        from meghna.cli.text_rows import LineSource  # noqa: PLC0415

        is_headed = form.format == "csv" and form.has_header
        return LineSource(file, skipped_lines=int(is_headed))
    if form.format == "ndjson":
        from meghna.cli.text_rows import JsonSource  # noqa: PLC0415

        return JsonSource(file, form)
    if form.format == "csv":
        from meghna.cli.csv_rows import CsvSource  # noqa: PLC0415

        return CsvSource(file, form)
    from meghna.cli.table_rows import TableSource  # noqa: PLC0415

    return TableSource(file, form)


def unended_of(form: RowForm) -> Callable[[bytes], bool]:
    """Says of a last line without a newline whether it is whole all the same."""
    if form.format == "ndjson" and not form.raw:
        from meghna.cli.text_rows import is_object  # noqa: PLC0415

        return is_object
    return lambda _: False


def another(file: InputFile, rows: int, change: str) -> str:
    return (
        f"{file.name}: {counted(rows)} of it were taken before, and now {change}; if it is another "
        "file now, --no-resume takes it"
    )


def listed(what: str, paths: list[str]) -> str:
    """Which files; the first of many."""
    more = f" and {len(paths) - _LISTED_MAX} more" if len(paths) > _LISTED_MAX else ""
    return f"; {what}: {', '.join(paths[:_LISTED_MAX]) or 'none'}{more}"


def counted(rows: int) -> str:
    return f"{rows} row{'' if rows == 1 else 's'}"
