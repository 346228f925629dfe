"""The package as others build and install it: from a clean checkout, and from the sdist alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[1]
SDIST_SIZE_MAX = 2 * 1024 * 1024
WHEEL_SIZE_MAX = 8 * 1024 * 1024

# Nothing of this environment and of this checkout may help.
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}


def run(command: Sequence[str | Path], cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def fresh_environment(place: Path) -> Path:
    """The interpreter of a new virtual environment."""
    run([sys.executable, "-m", "venv", place], place.parent)
    return place / "bin" / "python"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git knows of, as it is in the work tree, and nothing that was ever built."""
    place = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    return place


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sdist")
    python = fresh_environment(place / "venv")
    run([python, "-m", "pip", "install", "--quiet", "build"], place)
    run([python, "-m", "build", "--sdist", "--outdir", place / "dist", checkout], place)
    [made] = (place / "dist").iterdir()
    return made


def test_a_clean_checkout_installs_and_works(checkout: Path, tmp_path: Path) -> None:
    python = fresh_environment(tmp_path / "venv")
    run([python, "-m", "pip", "install", "--quiet", checkout], tmp_path)
    assert "works:" in run([python, ROOT / "tools" / "try_wheel.py"], tmp_path)


def test_the_sdist_has_what_a_build_needs_and_nothing_big(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = [
        str(path.relative_to(ROOT))
        for pattern in ("native/*/*.[ch]", "src/meghna/**/*.py*")
        for path in ROOT.glob(pattern)
        if "build" not in path.parts and "__pycache__" not in path.parts
    ]
    assert not set(tracked) - names
    assert {"LICENSE", "NOTICE", "README.md", "CMakeLists.txt", "pyproject.toml"} <= names
    assert not [name for name in names if name.endswith((".so", ".pyc", ".o"))]
    assert sdist.stat().st_size < SDIST_SIZE_MAX


def test_the_sdist_alone_makes_a_wheel_that_works(sdist: Path, tmp_path: Path) -> None:
    python = fresh_environment(tmp_path / "venv")
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path / "made", sdist], tmp_path)
    [wheel] = (tmp_path / "made").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    outside = [n for n in names if not n.startswith(("meghna/", "meghna-"))]
    assert not outside
    assert {n.rpartition("/")[2] for n in names if "licenses/" in n} == {"LICENSE", "NOTICE"}
    assert wheel.stat().st_size < WHEEL_SIZE_MAX
    run([*pip, "install", "--quiet", wheel], tmp_path)
    assert "works:" in run([python, ROOT / "tools" / "try_wheel.py"], tmp_path)
