"""Fixtures with a live broker; unit tests use none of them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from support.broker import EXTERNAL, BrokerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_configure() -> None:
    """Interrupts count, also for the programs that tests start.

    A shell script that starts the tests in the background has them ignored, which is inherited.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A fresh broker of the test's own, which it may kill and restart."""
    if EXTERNAL:
        pytest.skip("needs a broker of its own")
    with BrokerProcess(tmp_path) as process:
        yield process


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that a module's tests share and only talk to; MEGHNA_TEST_BOOTSTRAP replaces it."""
    if EXTERNAL:
        yield EXTERNAL
        return
    with BrokerProcess(tmp_path_factory.mktemp("broker")) as process:
        yield process.bootstrap
