"""meghna log repair: damaged bytes are moved aside, what can be derived is made anew.

The segments are repaired by what recovers a log after a crash (native/log/salvage.h): intact
batches stay, everything else goes into `<base>.<from>-<to>.damaged`, which tells the offsets. Only
a tail that a crash may have torn is cut: above the recovery point, nothing intact behind it, and
no clean stop since. Other files that contradict themselves are renamed to `<name>.damaged`;
indexes, snapshots and epochs are then made from the batches, and a checkpoint that is missing says
nothing wrong. A recovery point above the end is believed, as by a start: the log goes on from there
and offsets that were acknowledged are not given out again. Only what is still above the end then
is taken out of its checkpoint, for that partition alone.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meghna._native.log import Log, LogConfig
from meghna.cli.log_finding import FAULT
from meghna.cli.outcome import CommandError
from meghna.clock import SystemClock
from meghna.errors import Error
from meghna.storage import checkpoint
from meghna.storage.checkpoint import sync_directory
from meghna.storage.directory import DataDirectory, DirectoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meghna.cli.log_finding import Finding
    from meghna.cli.log_partition import Partition
    from meghna.cli.log_verify import Survey
    from meghna.cli.output import Row

# Of the findings: those whose file is put aside whole, and rebuilt or done without.
_SIDE_KINDS: Final = frozenset({"snapshot", "epochs", "aborted", "checkpoint"})
_INDEX_SUFFIXES: Final = (".index", ".timeindex")
_BYTES_KINDS: Final = frozenset({"damaged", "torn", "offset"})
# A repair must not roll or refuse anything: limits as wide as they go.
_CONFIG: Final = LogConfig(segment_age_max_ms=(1 << 63) - 1, index_size_max=1 << 30)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done, or would be."""

    action: str
    file: str
    detail: str
    size: int | None = None

    def row(self) -> Row:
        return {
            "action": self.action, "file": self.file, "size": self.size, "detail": self.detail,
        }  # fmt: skip


def plan(survey: Survey, *, keep_tail: bool) -> Iterator[Step]:
    """What a repair would do about the faults that were found."""
    named: set[str] = set()
    for finding in survey.errors():
        yield Step("leave", finding.file, finding.message)
    for finding in _mendable(survey):
        if finding.kind in _BYTES_KINDS:
            action = "set aside"
            if finding.kind == "torn" and not keep_tail and not _is_known(survey, finding):
                action = "cut"
            yield Step(action, finding.file, finding.line(), finding.size)
        elif finding.file in named:
            continue
        elif finding.file.endswith(_INDEX_SUFFIXES):
            yield Step("rebuild", finding.file, finding.message)
        elif _is_kept(survey, finding):
            text = f"{finding.message}; it goes on from {finding.offset}"
            yield Step("keep", finding.file, text)
            continue
        elif finding.kind in _SIDE_KINDS:
            yield Step("set aside", finding.file, finding.message)
        else:
            yield Step("leave", finding.file, finding.line())
        named.add(finding.file)


def _mendable(survey: Survey) -> list[Finding]:
    """The faults outside of partitions of which something could not be read."""
    left_alone = {each.path.path for each in survey.partitions if each.is_unread}
    return [f for f in survey.faults() if os.path.dirname(f.file) not in left_alone]


def _is_offset(finding: Finding) -> bool:
    """What a checkpoint says of one partition; the file itself is sound."""
    return finding.kind == "checkpoint" and finding.offset is not None


def _is_of(finding: Finding, partition: Partition) -> bool:
    if _is_offset(finding):
        return finding.message.split(" ")[0] == partition.path.name
    return os.path.dirname(finding.file) == partition.path.path


def _is_kept(survey: Survey, finding: Finding) -> bool:
    if not _is_offset(finding):
        return False
    ends = (each.kept_end for each in survey.partitions if _is_of(finding, each))
    return (finding.offset or 0) <= max(ends, default=0)


def _is_known(survey: Survey, finding: Finding) -> bool:
    """What was on disk for certain is no torn tail."""
    root = survey.root
    if root is None:
        return False
    point = _point(survey, finding.file)
    return root.was_clean or (finding.offset is not None and finding.offset < point)


def _point(survey: Survey, file: str) -> int:
    assert survey.root is not None
    for partition in survey.partitions:
        if partition.path.path == os.path.dirname(file):
            points = survey.root.offsets.get(checkpoint.RECOVERY_POINTS, {})
            return points.get((partition.path.topic, partition.path.index), 0)
    return 0


def repair(survey: Survey, *, keep_tail: bool) -> list[Step]:
    """Do it. Raises CommandError: somebody holds the directory, or the disk said no."""
    root = survey.root
    for finding in survey.errors():
        if root is not None and finding in root.findings:
            # A tail is judged by the checkpoints.
            raise CommandError(f"{finding.file}: {finding.message}; nothing was changed")
    try:
        held = None if root is None else DataDirectory.take(root.path)
    except DirectoryError as error:
        raise CommandError(str(error)) from error
    steps: list[Step] = []
    try:
        steps += _put_aside(survey)
        for partition in survey.partitions:
            faults = [f for f in _mendable(survey) if _is_of(f, partition)]
            if faults:
                steps += _repair_partition(survey, partition, faults, keep_tail=keep_tail)
        if held is not None and held.was_clean:
            held.mark_clean()
    finally:
        if held is not None:
            held.release()
    return steps


def _put_aside(survey: Survey) -> Iterator[Step]:
    """Rename files that contradict themselves: what is missing is made anew."""
    files = {f.file: f for f in _mendable(survey) if f.kind in _SIDE_KINDS or _is_index(f.file)}
    directories = set()
    for path, finding in files.items():
        if _is_offset(finding) or not os.path.exists(path):
            continue
        directories.add(os.path.dirname(path))
        if _is_index(path):
            os.unlink(path)
            continue
        target = _free_name(path)
        os.rename(path, target)
        yield Step("set aside", target, finding.message, os.path.getsize(target))
    for directory in directories:
        sync_directory(directory)


def _is_index(path: str) -> bool:
    return path.endswith(_INDEX_SUFFIXES)


def _free_name(path: str) -> str:
    for attempt in range(1000):
        name = f"{path}.damaged" if attempt == 0 else f"{path}.{attempt}.damaged"
        if not os.path.exists(name):
            return name
    raise CommandError(f"{path}: too many damaged files of this name")


def _drop_offset(finding: Finding, partition: Partition) -> Step:
    """Out of its checkpoint; the other partitions' offsets stay."""
    path = finding.file
    offsets = checkpoint.read(path)
    target = _free_name(path)
    shutil.copyfile(path, target)
    offsets.pop((partition.path.topic, partition.path.index), None)
    checkpoint.replace_file(path, checkpoint.encode(offsets))
    detail = f"{finding.message}; of this partition alone"
    return Step("set aside", target, detail, os.path.getsize(target))


def _repair_partition(
    survey: Survey, partition: Partition, faults: list[Finding], *, keep_tail: bool
) -> Iterator[Step]:
    key = (partition.path.topic, partition.path.index)
    points = {} if survey.root is None else survey.root.offsets.get(checkpoint.RECOVERY_POINTS, {})
    was_clean = survey.root is not None and survey.root.was_clean
    path = partition.path.path
    try:
        log = Log.open(
            path,
            _CONFIG,
            recovery_point=points.get(key, 0),
            start_offset=partition.known.start_offset,
            now_ms=SystemClock().now_ms(),
            check_all=True,
            keep_tail=keep_tail or was_clean,
        )
        report, end = log.report, log.end_offset
        log.close()
    except Error as error:
        yield Step("left", path, str(error))  # the other partitions go on
        return
    detail = (
        f"{report.set_aside_size} bytes set aside, {report.cut_size} of a torn tail cut, "
        f"indexes of {report.indexes_rebuilt} segments made anew; it ends at {end}"
    )
    yield Step("repaired", path, detail, report.set_aside_size)
    for finding in faults:
        if _is_offset(finding) and (finding.offset or 0) > end:
            yield _drop_offset(finding, partition)


def left(survey: Survey) -> list[Finding]:
    """The faults of a survey after a repair: a person must look."""
    return [finding for finding in survey.findings() if finding.severity == FAULT]
