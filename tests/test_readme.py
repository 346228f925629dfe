"""Every command and program in the README does what it says, against a live broker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.broker import BrokerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
# Lines that install or that never end; what they name is checked instead.
NOT_RUN = ("apt-get ", "make ", "pip ")


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
    [text for kind, text in BLOCKS if kind == "sh" and "meghna " in text],
    ids=lambda text: text.split("\n")[0],
)
def test_shell_commands_succeed(script: str, environment: dict[str, str]) -> None:
    lines = [line for line in script.splitlines() if not line.startswith(NOT_RUN)]
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(lines)],
        env=environment,
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
                if line and "meghna " not in line and not line.startswith(NOT_RUN)
            ]
            assert not unknown


@pytest.mark.timeout(120)
def test_python_programs_run(readme_broker: BrokerProcess) -> None:
    (program,) = [text for kind, text in BLOCKS if kind == "python"]
    assert "127.0.0.1:9092" in program
    done = subprocess.run(
        [sys.executable, "-c", program.replace("127.0.0.1:9092", readme_broker.bootstrap)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout
