"""The library beside its peers, a group a row (`make bench-library` alternates them instead).

    python -m pytest benchmarks/bench_library.py --benchmark-columns=min,median --benchmark-sort=min

With `--benchmark-disable` each job does a few calls once, to see that it works and keeps what it is
given; that takes seconds.
"""

from __future__ import annotations

import os

# Before the libraries are loaded, which ask for it then.
os.environ["POLARS_MAX_THREADS"] = "1"

from typing import TYPE_CHECKING

import pytest
from benchmarks.library.plot import Bar, Panel, plot
from benchmarks.library.rows import ROWS, Inventory, Row, Run, settle

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 3
CASES = [(row, store) for row in ROWS for store in row.jobs]


@pytest.fixture(scope="module")
def inventory(request: pytest.FixtureRequest) -> Inventory:
    return Inventory(small=bool(request.config.getoption("benchmark_disable")))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("row", "store"), CASES, ids=[f"{row.name}-{store.replace(' ', '_')}" for row, store in CASES]
)
def test_row(
    row: Row, store: str, inventory: Inventory, tmp_path: Path, benchmark: BenchmarkFixture
) -> None:
    inputs = inventory.of(row)
    benchmark.group = f"{row.name}: {row.what}"
    benchmark.extra_info["records"] = inputs.count

    def setup() -> tuple[tuple[Run], dict[str, object]]:
        try:
            run = Run(row.jobs[store], inputs, tmp_path / "run")
        except ModuleNotFoundError as error:
            pytest.skip(str(error))
        if not inventory.small:
            settle(4 * 100 * inputs.count)
        return (run,), {}

    benchmark.pedantic(Run.work, setup=setup, teardown=Run.check, rounds=ROUNDS)


def test_plot_draws_every_bar() -> None:
    drawn = plot("rates", [Panel("<a>", [Bar("Meghna", 2.0, True), Bar("peer", 1.0, False)], 3.0)])
    assert drawn.count("<rect") == 3
    assert "&lt;a&gt;" in drawn
