"""The states of a group and the ways between them, as a table.

    EMPTY ──join──▶ PREPARING_REBALANCE ──all joined, or time is up──▶ COMPLETING_REBALANCE
      ▲                 │    ▲   ▲                                          │       │
      └──nobody left────┘    │   └────────join, leave, expiry───────────────┘       │
                             │                                          leader's assignments stored
                             └──────join, leave, expiry──────── STABLE ◀────────────┘

    any state ──deleted, or its partition unloaded──▶ DEAD

The values are the names that Kafka's tools print.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(Enum):
    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


COMES_FROM: Mapping[State, frozenset[State]] = {
    State.EMPTY: frozenset({State.PREPARING_REBALANCE}),
    State.PREPARING_REBALANCE: frozenset({State.EMPTY, State.COMPLETING_REBALANCE, State.STABLE}),
    State.COMPLETING_REBALANCE: frozenset({State.PREPARING_REBALANCE}),
    State.STABLE: frozenset({State.COMPLETING_REBALANCE}),
    State.DEAD: frozenset(State),
}


def can_rebalance(state: State) -> bool:
    """Whether a change of membership starts a rebalance (else one is under way already)."""
    return state in COMES_FROM[State.PREPARING_REBALANCE]
