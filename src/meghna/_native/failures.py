"""The exception for each status of the core: the table behind `raise_status` in status.pxd."""

from typing import Final

from meghna.errors import (
    BusyError,
    ClosedError,
    CorruptDataError,
    Error,
    NoSpaceError,
    NotFoundError,
    OutOfRangeError,
    StorageError,
    TooLargeError,
    UnsupportedError,
    WouldBlockError,
)

_ERRORS: Final[dict[str, type[Error]]] = {
    "MG_CORRUPT": CorruptDataError,
    "MG_TOO_LARGE": TooLargeError,
    "MG_OUT_OF_RANGE": OutOfRangeError,
    "MG_UNSUPPORTED": UnsupportedError,
    "MG_NOT_FOUND": NotFoundError,
    "MG_CLOSED": ClosedError,
    "MG_BUSY": BusyError,
    "MG_WOULD_BLOCK": WouldBlockError,
}
_STORAGE_ERRORS: Final[dict[str, type[StorageError]]] = {
    "MG_IO": StorageError,
    "MG_NO_SPACE": NoSpaceError,
}


def exception_for(status_name: str, os_error: int, detail: str) -> Exception:
    """Return the exception of a status, by the name that mg_status_name gives it."""
    message = detail or status_name
    if status_name == "MG_NO_MEMORY":
        return MemoryError(message)
    if status_name in _STORAGE_ERRORS:
        return _STORAGE_ERRORS[status_name](message, os_error=os_error)
    return _ERRORS[status_name](message)
