"""The entry point: it finds the command, and is quick about it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import meghna
from meghna.cli import main as module
from meghna.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
SOURCE = str(ROOT / "src")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for args in ([], ["--help"], ["help"]):
        assert main(args) == (0 if args else 2)
        told = capsys.readouterr().out
        assert all(f"  {name}" in told for name in COMMANDS)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"meghna {meghna.__version__}\n"
    assert not hasattr(meghna, "no_such_name")


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


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "meghna", "consume", "--help"],
        env=os.environ | {"PYTHONPATH": SOURCE},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: meghna consume ")


def test_finding_a_command_imports_next_to_nothing() -> None:
    code = (
        f"import sys; sys.path.insert(0, {SOURCE!r}); import meghna.cli.main\n"
        "slow = 'asyncio', 'argparse', 'importlib.metadata', 'numpy', 'ssl'\n"
        "print([name for name in slow if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def run_with(*words: str, output: int, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "meghna.cli.main", *words],
        env=os.environ | {"PYTHONPATH": SOURCE} | variables,
        stdout=output, stderr=subprocess.PIPE, timeout=30, check=False,
    )  # fmt: skip


HELPS = [["--help"], *([name, "--help"] for name in COMMANDS), ["topic", "create", "--help"]]


@pytest.mark.parametrize("words", [*HELPS, ["--version"]])
def test_a_reader_that_went_away_is_told_nothing(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run_with(*words, output=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", HELPS)
def test_help_is_plain_ascii(words: list[str]) -> None:
    done = run_with(*words, output=subprocess.PIPE, PYTHONIOENCODING="ascii:strict")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"usage: meghna")
    assert done.stdout.isascii()
    assert b"\\x" not in done.stdout
    assert b"\\u" not in done.stdout


def test_a_full_disk_is_a_failure_in_a_sentence() -> None:
    with open("/dev/full", "wb") as full:
        done = run_with("--help", output=full.fileno())
    assert done.returncode == 1
    assert done.stderr == b"meghna: standard output: No space left on device\n"


def test_the_documents_that_the_readme_links_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert "docs/PROTOCOL.md" in links
    assert [link for link in links if not (ROOT / link).exists()] == []
