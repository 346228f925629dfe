"""Tries an installed package: what is in it, the library, a broker with a record through it.

Run by an interpreter that has the package and its dependencies, from anywhere: a wheel is tried so
before it is handed out (`make package-test`, cibuildwheel). Needs nothing else.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
from importlib import import_module, resources
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

ROWS = 10_000
IMPORT_MS_MAX = 50
PATIENCE_S = 60

NEEDED = ["py.typed", "config_keys.txt", "protocol/messages.txt", "protocol/messages.pyi"]
UNWANTED = {".pyx", ".pxd", ".c", ".h"}


def check_files(package: Path) -> None:
    """Types, tables and extension modules are there, and no sources of the latter."""
    missing = [name for name in NEEDED if not (package / name).is_file()]
    assert not missing, missing
    unwanted = [str(path) for path in package.rglob("*") if path.suffix in UNWANTED]
    assert not unwanted, unwanted
    assert not (package.parent / "tests").exists()
    modules = list(package.rglob("*.so"))
    assert len(modules) >= 4, modules
    for module in modules:
        assert module.name.endswith(EXTENSION_SUFFIXES[0]), f"{module} is another Python's"
        name = module.name.removesuffix(EXTENSION_SUFFIXES[0])
        assert module.with_name(f"{name}.pyi").is_file(), module
        import_module(f"meghna.{module.parent.name}.{name}")


def check_import_time() -> None:
    """The best of a few tries, less what the interpreter itself takes; processor time."""

    def milliseconds(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    took = min(milliseconds("import meghna") for _ in range(5)) - min(
        milliseconds("pass") for _ in range(5)
    )
    print(f"import meghna: {took:.0f} ms")
    assert took < IMPORT_MS_MAX, took


def check_library(folder: Path) -> None:
    import meghna  # noqa: PLC0415 - its import is what is being tried

    with meghna.open(folder) as log:
        topic = log.topic("wheel", partitions=1, create=True)
        topic.append_many([b"row %d" % i for i in range(ROWS)])
        log.flush()
        values = [record.value for record in topic.read()]
        assert values == [b"row %d" % i for i in range(ROWS)]


def check_broker(folder: Path) -> None:
    """The command that was installed serves, and its commands bring a record in and out."""
    meghna = os.path.join(sysconfig.get_path("scripts"), "meghna")

    def run(*arguments: str, text: str = "") -> str:
        done = subprocess.run(
            [meghna, *arguments], input=text, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    with subprocess.Popen(
        [meghna, "serve", "--listen", "127.0.0.1:0", "--data", str(folder)],
        stdout=subprocess.PIPE, text=True,
    ) as broker:  # fmt: skip
        try:
            assert broker.stdout is not None
            greeting = broker.stdout.readline()
            [address] = [w for w in greeting.split() if w.startswith("127.0.0.1:")]
            address = address.rstrip(".,;")
            run("topic", "create", "-b", address, "tried")
            run("produce", "-b", address, "tried", text="one\ntwo\n")
            got = run("consume", "-b", address, "--exit-at-end", "-f", "%v\\n", "tried")
            assert sorted(got.splitlines()) == ["one", "two"], got
        finally:
            broker.terminate()
        assert broker.wait(PATIENCE_S) == 0


def main() -> None:
    package = Path(str(resources.files("meghna")))
    assert "site-packages" in package.parts, f"{package} is not what was installed"
    check_files(package)
    check_import_time()
    with tempfile.TemporaryDirectory() as place:
        check_library(Path(place) / "library")
        check_broker(Path(place) / "broker")
    print(f"works: Python {sys.version.split()[0]}, {package}")


if __name__ == "__main__":
    main()
