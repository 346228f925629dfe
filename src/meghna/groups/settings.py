"""The limits that a coordinator decides by; one value per configuration, fixed while it runs."""

from __future__ import annotations

from dataclasses import dataclass

# A JoinGroup of a new member may wait this long before the member is given up. It has no member id
# yet and cannot heartbeat, so its session timeout says nothing about it; without a limit, a client
# that gives up and tries again would leave one more dead member behind each time.
NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """Named as Kafka names them, without the `group.` and `offsets.` prefixes."""

    initial_rebalance_delay_ms: int
    size_max: int
    session_timeout_min_ms: int
    session_timeout_max_ms: int
    metadata_size_max: int
    retention_ms: int
    retention_check_interval_ms: int
