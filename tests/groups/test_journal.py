"""Many appends written as few."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from groups.memory_log import MemoryLog
from meghna.groups.journal import BATCH_SIZE_MAX, Journal, LogRecord

if TYPE_CHECKING:
    from meghna.errors import Error


def record(name: str, size: int = 0) -> LogRecord:
    return LogRecord(name.encode(), bytes(size), 0)


def submit(journal: Journal, order: list[str], name: str, *records: LogRecord) -> None:
    def settled(error: Error | None) -> None:
        order.append(name if error is None else f"{name} failed")

    journal.submit(records, settled)


async def test_what_is_submitted_together_is_appended_together() -> None:
    log, order = MemoryLog(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        journal = Journal(log, 3, tasks)
        for name in "abc":
            submit(journal, order, name, record(name))
        assert not journal.is_idle
    assert order == ["a", "b", "c"]
    assert log.batches == {3: [[record("a"), record("b"), record("c")]]}
    assert journal.is_idle


async def test_what_comes_while_one_append_is_under_way_goes_into_the_next() -> None:
    log, order = MemoryLog(), list[str]()
    log.turns.clear()
    async with asyncio.TaskGroup() as tasks:
        journal = Journal(log, 0, tasks)
        submit(journal, order, "a", record("a"))
        await asyncio.sleep(0)
        submit(journal, order, "b", record("b"), record("c"))
        submit(journal, order, "barrier")
        submit(journal, order, "d", record("d"))
        log.turns.set()
    assert log.batches == {0: [[record("a")], [record("b"), record("c"), record("d")]]}
    assert order == ["a", "b", "barrier", "d"]


async def test_a_failure_is_told_to_those_in_its_batch_only() -> None:
    log, order = MemoryLog(), list[str]()
    log.failures = 1
    async with asyncio.TaskGroup() as tasks:
        journal = Journal(log, 0, tasks)
        submit(journal, order, "a", record("a"))
        submit(journal, order, "b", record("b"))
        await asyncio.sleep(0)
        submit(journal, order, "c", record("c"))
    assert order == ["a failed", "b failed", "c"]


async def test_a_batch_is_bounded_but_for_a_single_large_submission() -> None:
    log, order = MemoryLog(), list[str]()
    half = BATCH_SIZE_MAX // 2
    async with asyncio.TaskGroup() as tasks:
        journal = Journal(log, 0, tasks)
        for name, size in (("a", half), ("b", half), ("c", 3 * half), ("d", 1)):
            submit(journal, order, name, record(name, size))
    assert [[each.key for each in batch] for batch in log.batches[0]] == [
        [b"a"],
        [b"b"],
        [b"c"],
        [b"d"],
    ]


async def test_a_barrier_alone_writes_nothing() -> None:
    log, order = MemoryLog(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        submit(Journal(log, 0, tasks), order, "barrier")
    assert (order, log.batches) == (["barrier"], {})
