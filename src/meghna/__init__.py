"""A log storage engine with a C core, and a Kafka-compatible broker.

Names are imported when they are first used, so that `import meghna` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meghna.errors import Error

__all__ = ["Error"]

_HOMES = {"Error": "meghna.errors"}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
