"""A log storage engine with a C core, and a Kafka-compatible broker.

Names are imported when they are first used, so that `import meghna` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meghna.errors import Error

    __version__: str

__all__ = ["Error", "__version__"]

_HOMES = {"Error": "meghna.errors"}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _version()
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow to import

    try:
        return version("meghna")
    except PackageNotFoundError:
        return "unknown"  # run from its sources


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
