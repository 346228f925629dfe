"""Inputs that tests open are closed again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meghna.cli.input_file import InputFile

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def closed_inputs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every input that a test opened."""
    opened: list[InputFile] = []
    open_one = InputFile.__init__

    def keep(file: InputFile, path: str) -> None:
        open_one(file, path)
        opened.append(file)

    monkeypatch.setattr(InputFile, "__init__", keep)
    yield
    for file in opened:
        file.close()
