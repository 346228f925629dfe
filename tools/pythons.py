"""Tests the package under every Python that it is for and that is here: `make pythons`.

Each gets a virtual environment of its own under build/, an installed package (not the sources), and
the tests that its packages suffice for. Tests of the repository itself are left to `make test`. A
Python that is not here is named and passed over; one that fails ends with a failure.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ["3.11", "3.12", "3.13", "3.13t", "3.14", "3.14t"]
OPTIONAL = ["aiokafka", "confluent-kafka", "kafka-python>=3.0", "kio", "duckdb", "polars", "pandas"]
"""What some tests compare with; not every Python has wheels of each."""
LIMIT_S = 1200
"""For one Python, all tests together."""

# About the repository, or minutes long.
LEFT_OUT = [
    "test_tidy.py", "test_readme.py", "test_packaging.py", "test_protocol_table.py",
    "test_wire_golden.py", "broker/test_differences.py", "interop", "reliability", "security",
]  # fmt: skip
DESELECTED = ["cli/test_main.py::test_the_documents_that_the_readme_links_are_there"]


def interpreter(version: str) -> str | None:
    """One that runs and is of the version; "t" at its end is for free-threaded."""
    places = [shutil.which(f"python{version}") or ""]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places += sorted(map(str, pyenv.glob(f"{version.rstrip('t')}*/bin/python")))
    tell = (
        "import sys, sysconfig as s;"
        "print('%d.%d' % sys.version_info[:2] + 't' * bool(s.get_config_var('Py_GIL_DISABLED')))"
    )
    for place in filter(None, places):
        told = subprocess.run([place, "-c", tell], capture_output=True, text=True, check=False)
        if told.returncode == 0 and told.stdout.strip() == version:
            return place
    return None


def prepare(python: str, folder: Path) -> str:
    """An environment with the package and what its tests need; the interpreter in it."""
    inside = str(folder / "venv" / "bin" / "python")
    if not Path(inside).exists():
        subprocess.run([python, "-m", "venv", str(folder / "venv")], check=True)
    install = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, f"{ROOT}[test]"], check=True)
    for package in OPTIONAL:
        done = subprocess.run(
            [*install, "--only-binary", ":all:", package],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            print(f"  without {package}")
    shutil.rmtree(folder / "tests", ignore_errors=True)
    # Beside no src/, so that nothing but the installed package can be imported.
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return inside


def unmet(inside: str, folder: Path) -> list[str]:
    """Test files whose packages are not installed."""
    told = subprocess.run(
        [inside, __file__, "--unmet", str(folder / "tests")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return told.stdout.split()


def print_unmet(tests: Path) -> None:
    known = {path.stem for path in tests.iterdir()} | {"meghna", "tests"}
    for path in tests.rglob("*.py"):
        names = set()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add((node.module or "").split(".")[0])
        if any(name not in known and find_spec(name) is None for name in names):
            print(path.relative_to(tests))


def run(version: str, python: str) -> bool:
    folder = ROOT / "build" / f"python-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    print(f"== Python {version}: {python}", flush=True)
    inside = prepare(python, folder)
    environment = dict(os.environ)
    environment.pop("PYTHONPATH", None)
    environment.pop("MEGHNA_KAFKA_LIBS", None)  # what derives the table is not in the package
    environment["CI"] = "true"  # hypothesis then has no deadlines, which a busy machine misses
    if version.endswith("t"):
        # It would be switched on with a warning: our modules do not say that they do without.
        environment["PYTHON_GIL"] = "1"
    left_out = [*LEFT_OUT, *unmet(inside, folder)]
    for name in left_out[len(LEFT_OUT) :]:
        print(f"  without tests/{name}")
    options = [f"--ignore=tests/{name}" for name in left_out]
    options += [f"--deselect=tests/{name}" for name in DESELECTED]
    commands = [
        [inside, str(ROOT / "tools" / "try_wheel.py")],
        [inside, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "tests"],
    ]
    return all(
        subprocess.run(
            command, cwd=folder, env=environment, timeout=LIMIT_S, check=False
        ).returncode == 0
        for command in commands
    )  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--unmet"]:
        print_unmet(Path(sys.argv[2]))
        return
    wanted = sys.argv[1:] or VERSIONS
    failed = []
    for version in wanted:
        python = interpreter(version)
        if python is None:
            print(f"== Python {version}: not here, passed over", flush=True)
        elif not run(version, python):
            failed.append(version)
    if failed:
        sys.exit(f"failed under Python {', '.join(failed)}")


if __name__ == "__main__":
    main()
