"""Resources of settings as requests name them: a broker that is this one, a group with a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import ErrorCode

if TYPE_CHECKING:
    from meghna.broker.broker import Broker


def broker_fault(broker: Broker, name: str, *, may_be_empty: bool) -> tuple[ErrorCode, str]:
    """Why a resource's name is no broker's."""
    if not name:
        if may_be_empty:
            return ErrorCode.NONE, ""
        return ErrorCode.INVALID_REQUEST, "Broker id must not be empty"
    try:
        number = int(name)
    except ValueError:
        return ErrorCode.INVALID_REQUEST, f"Broker id must be an integer, but it is: {name}"
    if number != broker.config.node_id:
        expected = f"{broker.config.node_id}{' or empty string,' if may_be_empty else ''}"
        return (
            ErrorCode.INVALID_REQUEST,
            f"Unexpected broker id, expected {expected} but received {name}",
        )
    return ErrorCode.NONE, ""


def group_fault(name: str) -> tuple[ErrorCode, str]:
    """Why a resource's name is no group's; a group may have settings before it exists."""
    if not name:
        return ErrorCode.INVALID_REQUEST, "Group name must not be empty"
    return ErrorCode.NONE, ""
