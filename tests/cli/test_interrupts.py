from __future__ import annotations

import signal

import pytest

from meghna.cli.interrupts import Interrupts


def test_a_signal_waits_for_what_is_held() -> None:
    done = []
    before = signal.getsignal(signal.SIGTERM)

    def work() -> None:
        with Interrupts() as interrupts:
            with interrupts.held():
                signal.raise_signal(signal.SIGTERM)
                done.append("held")
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["held"]
    assert signal.getsignal(signal.SIGTERM) == before


def test_elsewhere_it_comes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)
