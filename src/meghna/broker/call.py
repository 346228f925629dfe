"""What a handler knows about a request besides the request itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, and in which version."""

    api_version: int
    client_id: str | None
    peer_host: str
    listener: int
    """By which listener it came, from 0: clients are told addresses of that one."""
