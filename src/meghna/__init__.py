"""A log storage engine with a C core, and a Kafka-compatible broker.

    with meghna.open("data") as log:
        topic = log.topic("events", create=True)
        topic.append_many([b"one", b"two"], flush="group")
        for record in topic.read():
            print(record.offset, record.value)

Names are imported when they are first used, so that `import meghna` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meghna._native.scan import Record
    from meghna.engine.appended import Appended, Flush, Span
    from meghna.engine.log import Log
    from meghna.engine.log import open_log as open
    from meghna.engine.partition import Partition
    from meghna.engine.scan import Scan
    from meghna.engine.tail import Tail
    from meghna.engine.topic import Topic
    from meghna.errors import Error

    __version__: str

__all__ = [
    "Appended",
    "Error",
    "Flush",
    "Log",
    "Partition",
    "Record",
    "Scan",
    "Span",
    "Tail",
    "Topic",
    "__version__",
    "open",
]

_HOMES = {
    "Appended": ("meghna.engine.appended", "Appended"),
    "Error": ("meghna.errors", "Error"),
    "Flush": ("meghna.engine.appended", "Flush"),
    "Log": ("meghna.engine.log", "Log"),
    "Partition": ("meghna.engine.partition", "Partition"),
    "Record": ("meghna._native.scan", "Record"),
    "Scan": ("meghna.engine.scan", "Scan"),
    "Span": ("meghna.engine.appended", "Span"),
    "Tail": ("meghna.engine.tail", "Tail"),
    "Topic": ("meghna.engine.topic", "Topic"),
    "open": ("meghna.engine.log", "open_log"),
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _version()
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = home
    value: object = getattr(import_module(module), attribute)
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
