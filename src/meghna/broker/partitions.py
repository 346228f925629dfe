"""What several handlers ask of one partition."""

from __future__ import annotations

from meghna.errors import ErrorCode

_ANY_EPOCH = -1


def epoch_fault(known: int, current: int) -> ErrorCode:
    """Whether a client's idea of the leader's epoch is behind or ahead of it; -1 has none."""
    if known in (_ANY_EPOCH, current):
        return ErrorCode.NONE
    return ErrorCode.FENCED_LEADER_EPOCH if known < current else ErrorCode.UNKNOWN_LEADER_EPOCH
