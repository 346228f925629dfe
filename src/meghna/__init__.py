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
    from meghna import errors
    from meghna._native.scan import Record
    from meghna.engine.appended import Appended, Flush, Span
    from meghna.engine.log import Log
    from meghna.engine.log import open_log as open
    from meghna.engine.partition import NoRecordError, Partition
    from meghna.engine.scan import Scan
    from meghna.engine.tail import Tail
    from meghna.engine.topic import Topic
    from meghna.errors import (
        ClosedError,
        ConfigError,
        CorruptDataError,
        Error,
        NoSpaceError,
        NotFoundError,
        OutOfRangeError,
        StorageError,
        TooLargeError,
        UnsupportedError,
    )
    from meghna.storage.directory import DirectoryError, DirectoryLockedError

    __version__: str

__all__ = [
    "Appended",
    "ClosedError",
    "ConfigError",
    "CorruptDataError",
    "DirectoryError",
    "DirectoryLockedError",
    "Error",
    "Flush",
    "Log",
    "NoRecordError",
    "NoSpaceError",
    "NotFoundError",
    "OutOfRangeError",
    "Partition",
    "Record",
    "Scan",
    "Span",
    "StorageError",
    "Tail",
    "TooLargeError",
    "Topic",
    "UnsupportedError",
    "__version__",
    "errors",
    "open",
]

_HOMES = {
    "Appended": "engine.appended",
    "DirectoryError": "storage.directory",
    "DirectoryLockedError": "storage.directory",
    "Flush": "engine.appended",
    "Log": "engine.log",
    "NoRecordError": "engine.partition",
    "Partition": "engine.partition",
    "Record": "_native.scan",
    "Scan": "engine.scan",
    "Span": "engine.appended",
    "Tail": "engine.tail",
    "Topic": "engine.topic",
    "open": "engine.log",
}
_NAMES_THERE = {"open": "open_log"}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _version()
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object
    if name == "errors":
        value = import_module("meghna.errors")
    else:
        home = import_module(f"meghna.{_HOMES.get(name, 'errors')}")
        value = getattr(home, _NAMES_THERE.get(name, name))
    globals()[name] = value
    return value


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow to import

    try:
        return version("meghna")
    except PackageNotFoundError:
        return "unknown"  # run from its sources


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__file__", "__name__", "__path__"]
