"""The entry point: it finds the command, and is quick about it."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

from meghna.cli import main as module
from meghna.cli.main import COMMANDS, main

if TYPE_CHECKING:
    import pytest

SOURCE = str(Path(__file__).parents[2] / "src")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for args in ([], ["--help"], ["help"]):
        assert main(args) == (0 if args else 2)
        told = capsys.readouterr().out
        assert all(f"  {name}" in told for name in COMMANDS)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("meghna ")


def test_a_slip_is_told_the_nearest_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sevre"]) == 2
    assert capsys.readouterr().err == ("meghna: unknown command sevre; did you mean serve?\n")
    assert main(["qqqq"]) == 2
    assert "--help lists" in capsys.readouterr().err


def test_a_command_gets_the_rest_of_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def run(args: list[str]) -> int:
        seen.append(args)
        return 7

    monkeypatch.setitem(
        sys.modules,
        "meghna.cli.topic",
        types.SimpleNamespace(run=run),
    )
    assert main(["topic", "list", "-x"]) == 7
    assert seen == [["list", "-x"]]
    assert module.help_text().endswith("the version.\n")


def test_finding_a_command_imports_next_to_nothing() -> None:
    code = (
        f"import sys; sys.path.insert(0, {SOURCE!r}); import meghna.cli.main\n"
        "print([name for name in ('asyncio', 'argparse', 'numpy', 'ssl') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
