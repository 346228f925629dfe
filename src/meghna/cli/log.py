"""meghna log verify|repair|dump|stats: the bytes of a log, without a broker."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING

from meghna.cli import log_paths
from meghna.cli.outcome import CommandError, Exit, concluded, note
from meghna.cli.output import FORMATS, print_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meghna.cli.log_finding import Finding
    from meghna.cli.log_verify import Survey
    from meghna.cli.output import Row

_EPILOG = """\
PATH is a data directory, a partition's directory in one, or a segment's file (a copy as well), of
Meghna or of Apache Kafka. verify, dump and stats write nothing and take no lock; where a process
holds the directory, the end of each log may be moving.
"""

_VERIFY = """\
Reads everything: every batch's header, checksum, offsets and times, the records of each, opened
where they are compressed, every index entry, the producer snapshots, aborted transactions, leader
epochs, checkpoints, topic ids, and names that do not belong.

One line a finding: `fault`, `note` or `error`, file, position, offset, what. Notes (damage that a
recovery set aside, leftovers of a stop, the gaps of a compacted topic) do not count. An error is
what could not be read (permissions, the disk): its partition is not judged any further.

exit: 0 no fault, 1 faults found or something could not be read, 4 no such path
"""

_REPAIR = """\
Moves damaged bytes out of segments into <base>.<from>-<to>.damaged (offsets), as a start after a
crash does, and makes indexes, snapshots and epochs anew. Nothing else is deleted: only a tail
above the recovery point, with nothing intact behind it and no clean stop since, is cut, and not
even that with --set-aside-tail. What a stop left unfinished (.deleted, .cleaned, .swap) is dealt
with as by any start. Refuses while a process holds the directory. Records that a gap took are
gone: a read there says so, ever after. A partition of which something cannot be read is left alone.

exit: 0 no fault is left, 1 something cannot be read, 5 faults are left, and a person must look (a
wrong topic id, meta.properties)
"""

_DUMP = """\
Batches, or records, in the words of Kafka's kafka-dump-log; other files (.index, .timeindex,
.txnindex, .snapshot, leader-epoch-checkpoint) entry by entry. Compressed batches are opened for
--records.
"""


def run(args: list[str]) -> int:
    options = parser().parse_args(args)
    return concluded(lambda: COMMANDS[options.command](options))


def parser() -> ArgumentParser:
    made = ArgumentParser(
        prog="meghna log",
        description="Checks, repairs and shows what lies in a log's files, without a broker.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, summary: str, description: str) -> ArgumentParser:
        command = commands.add_parser(
            name, help=summary, description=description, epilog=_EPILOG,
            formatter_class=RawDescriptionHelpFormatter,
        )  # fmt: skip
        command.add_argument("paths", nargs="+", metavar="PATH")
        command.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")
        return command

    verify = add("verify", "read everything, name every fault", _VERIFY)
    repair = add("repair", "move damaged bytes aside, rebuild indexes", _REPAIR)
    repair.add_argument("-n", "--dry-run", action="store_true", help="only say what would be done")
    repair.add_argument(
        "--set-aside-tail", action="store_true", help="keep even a torn tail, in a .damaged file"
    )
    dump = add("dump", "show batches, records or index entries", _DUMP)
    dump.add_argument("--records", action="store_true", help="every record, not every batch")
    dump.add_argument("--start", type=int, default=0, metavar="OFFSET", help="default 0")
    dump.add_argument("--end", type=int, metavar="OFFSET", help="not included; default: all")
    dump.add_argument("-o", "-O", "--output", choices=("text", "ndjson"), default="text")
    stats = add("stats", "sizes, codecs, times and more, a row a partition", "What a log is of.")

    for command in (verify, repair, stats):
        command.add_argument(
            "-o", "-O", "--output", choices=FORMATS, default="table",
            help="table (default), json or ndjson",
        )  # fmt: skip
    for command in (verify, stats):
        command.add_argument(
            "--no-deep", dest="deep", action="store_false", help="leave compressed batches closed"
        )
    for command in (verify, repair, stats):
        command.add_argument(
            "-j", "--threads", type=int, metavar="N", help="segments at a time; default: processors"
        )
    return made


def _found(options: Namespace) -> log_paths.LogPath:
    found = log_paths.find(options.paths)
    holder = log_paths.holder(found.root)
    if holder is not None and options.command != "repair":
        note(f"{holder} holds {found.root}: the end of each log may be moving")
    return found


def _surveyed(options: Namespace, *, deep: bool) -> Survey:
    from meghna.cli.log_verify import survey  # noqa: PLC0415 - when the options are fine

    found = _found(options)
    if found.files and not found.partitions:
        raise CommandError(f"{found.files[0]}: name its segment, or its directory", Exit.USAGE)
    return survey(found, deep=deep, threads=options.threads, quiet=options.quiet)


def verify(options: Namespace) -> Exit:
    made = _surveyed(options, deep=options.deep)
    _print_findings(made.findings(), output=options.output)
    faults, errors = len(made.faults()), len(made.errors())
    if not options.quiet:
        seconds = max(made.seconds, 1e-6)
        summary: Row = {
            "severity": "summary",
            "bytes": made.size,
            "batches": made.count("batches"),
            "records": made.count("records"),
            "seconds": round(made.seconds, 3),  # type: ignore[dict-item]
            "faults": faults,
            "errors": errors,
        }
        if options.output == "ndjson":
            print(json.dumps(summary))
        else:
            note(
                f"{len(made.partitions)} partitions, {made.size} bytes, {summary['batches']} "
                f"batches, {summary['records']} records in {made.seconds:.2f} s "
                f"({made.size / seconds / 1e6:.0f} MB/s): "
                f"{faults or 'no'} {'fault' if faults == 1 else 'faults'}"
                f"{f', {errors} could not be read' if errors else ''}"
            )
    return Exit.FAILED if faults or errors else Exit.OK


def _print_findings(findings: Iterable[Finding], *, output: str) -> None:
    if output == "table":
        for finding in findings:
            print(finding.line())
    else:
        print_rows([finding.row() for finding in findings], output=output)


def repair(options: Namespace) -> Exit:
    from meghna.cli import log_repair  # noqa: PLC0415

    found = _found(options)
    if found.files or any(partition.only for partition in found.partitions):
        raise CommandError("a repair is of a whole directory: name that", Exit.USAGE)
    if not options.dry_run and (holder := log_paths.holder(found.root)):
        raise CommandError(f"{found.root} is in use by {holder}; stop it first")
    from meghna.cli.log_verify import survey  # noqa: PLC0415

    made = survey(found, deep=False, threads=options.threads, quiet=options.quiet)
    if options.dry_run:
        steps = list(log_repair.plan(made, keep_tail=options.set_aside_tail))
    else:
        steps = log_repair.repair(made, keep_tail=options.set_aside_tail)
    if options.output == "table":
        for step in steps:
            print(f"{step.action}  {step.file}  {step.detail}")
    else:
        print_rows([step.row() for step in steps], output=options.output)
    if options.dry_run:
        return Exit.FAILED if made.errors() else Exit.OK
    again = survey(found, deep=True, threads=options.threads, quiet=options.quiet)
    faults = log_repair.left(again)
    errors = again.errors()
    for finding in (*errors, *faults):
        note(f"left: {finding.line()}")
    if not options.quiet:
        note(f"{len(made.faults())} faults before, {len(faults)} now")
    if errors:
        return Exit.FAILED
    return Exit.PARTIAL if faults else Exit.OK


def dump(options: Namespace) -> Exit:
    from meghna.cli.log_dump import Dump, Range  # noqa: PLC0415

    shown = Dump(
        sys.stdout.write,
        wanted=Range(options.start, options.end),
        records=options.records,
        text=options.output == "text",
    )
    shown.run(_found(options))
    return Exit.FAILED if shown.faults else Exit.OK


def stats(options: Namespace) -> Exit:
    from meghna.cli import log_stats  # noqa: PLC0415

    made = _surveyed(options, deep=options.deep)
    print_rows(log_stats.rows(made), output=options.output)
    for error in made.errors():
        note(error.line())
    return Exit.FAILED if made.errors() else Exit.OK


COMMANDS = {"verify": verify, "repair": repair, "dump": dump, "stats": stats}
