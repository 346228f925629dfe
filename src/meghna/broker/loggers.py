"""The levels of this process's log, told and changed as settings of the broker's loggers.

There are two: the root, and ours under it. A level lasts as long as the process.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from meghna.broker.alterations import LIST_OPERATIONS
from meghna.broker.topic_requests import Fault
from meghna.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

LOGGERS = ("root", "meghna")
_LEVELS = ("DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN")
# Kafka's names where Python has others.
_TOLD = {"CRITICAL": "FATAL", "WARNING": "WARN"}
_TAKEN = {"TRACE": "DEBUG"}
_SET, _DELETE = 0, 1


def level(name: str) -> str:
    """A logger's level as Kafka calls it."""
    found = logging.getLevelName(_logger(name).getEffectiveLevel())
    return _TOLD.get(found, found)


def levels_fault(changes: Sequence[tuple[str, int, str | None]]) -> Fault | None:
    """Why levels cannot be changed so: name, operation and value of each."""
    for name, operation, value in changes:
        if name not in LOGGERS:
            return Fault(ErrorCode.INVALID_CONFIG, f"Logger {name} does not exist!")
        if operation in LIST_OPERATIONS:
            return Fault(
                ErrorCode.INVALID_REQUEST,
                f"{LIST_OPERATIONS[operation]} operation is not allowed for the BROKER_LOGGER "
                "resource",
            )
        if operation == _DELETE and name == "root":
            return Fault(
                ErrorCode.INVALID_REQUEST,
                "Removing the log level of the root logger is not allowed",
            )
        if operation == _SET and value not in _LEVELS:
            return Fault(
                ErrorCode.INVALID_CONFIG,
                f"Cannot set the log level of {name} to {value} as it is not a supported log "
                f"level. Valid log levels are {', '.join(_LEVELS)}",
            )
    return None


def set_levels(levels: Sequence[tuple[str, str | None]]) -> None:
    """Give loggers their levels; None gives a logger its parent's."""
    for name, value in levels:
        _logger(name).setLevel("NOTSET" if value is None else _TAKEN.get(value, value))


def _logger(name: str) -> logging.Logger:
    return logging.getLogger(None if name == "root" else name)
