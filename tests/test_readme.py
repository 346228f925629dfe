"""Every command and program in the README does what it says, against a live broker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import meghna
from support.broker import BrokerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
# Lines that install or that never end; what they name is checked instead.
NOT_RUN = ("apt-get ", "make ", "pip ")
# Run by tests/interop/test_readme_page.py, which has kcat and a broker of that directory.
SERVED = "meghna serve --data shop"


@pytest.fixture(scope="module")
def readme_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("readme")) as process:
        yield process


@pytest.fixture
def environment(readme_broker: BrokerProcess, tmp_path: Path) -> dict[str, str]:
    """Where `meghna` is this interpreter's, and its broker the test's."""
    script = tmp_path / "meghna"
    script.write_text(f'#!/bin/bash\nexec {sys.executable} -m meghna.cli.main "$@"\n')
    script.chmod(0o755)
    return os.environ | {
        "MEGHNA_BOOTSTRAP": readme_broker.bootstrap,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_make_target_named_is_there() -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)\b", TEXT))
    assert named - {"it"} <= make_targets()
    assert {"build", "run", "test"} <= named


def test_every_documented_target_is_in_the_help() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = {line.split()[0] for line in done.stdout.splitlines()}
    assert set(re.findall(r"^\| `make ([a-z-]+)`", TEXT, re.MULTILINE)) <= listed


def test_the_packages_to_install_are_those_of_the_makefile() -> None:
    (line,) = re.findall(r"^apt-get install (.*)$", TEXT, re.MULTILINE)
    assert line in (ROOT / "Makefile").read_text()


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "script",
    [text for kind, text in BLOCKS if kind == "sh" and "meghna " in text and SERVED not in text],
    ids=lambda text: text.split("\n")[0],
)
def test_shell_commands_succeed(script: str, environment: dict[str, str], tmp_path: Path) -> None:
    lines = [line for line in script.splitlines() if not line.startswith(NOT_RUN)]
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(lines)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_every_shell_block_is_run_or_checked() -> None:
    for kind, text in BLOCKS:
        assert kind in ("sh", "python"), f"a block of {kind} that no test runs"
        if kind == "sh":
            unknown = [
                line
                for line in text.splitlines()
                if line
                and "meghna " not in line
                and not line.startswith((*NOT_RUN, "printf ", "kcat "))
            ]
            assert not unknown


@pytest.mark.timeout(120)
def test_the_program_of_a_client_runs(readme_broker: BrokerProcess) -> None:
    (program,) = [text for kind, text in BLOCKS if kind == "python" and "127.0.0.1:9092" in text]
    shown = run_program(program.replace("127.0.0.1:9092", readme_broker.bootstrap))
    assert "hello" in shown


def test_the_program_of_the_library_runs(tmp_path: Path) -> None:
    (program,) = [text for kind, text in BLOCKS if kind == "python" and "meghna.open" in text]
    shown = run_program(program, cwd=tmp_path)
    # A million objects {"user":"N","amount":N}.
    digits = sum(len(str(number)) for number in range(1_000_000))
    assert str(1_000_000 * len('{"user":"","amount":}') + 2 * digits) in shown
    assert "11111" in shown  # 99, 990 to 999, 9,900 to 9,999 and so on
    assert """1 0 b'{"user":""" in shown or """0 0 b'{"user":""" in shown
    with meghna.open(tmp_path / "shop", read_only=True) as log:
        assert len(log["orders"]) == 1_000_001


def run_program(program: str, *, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
