"""What a topic may be called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SIZE_MAX = 249  # With "-<partition>" and a suffix it has to be the name of a directory.
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


def name_fault(name: str) -> str | None:
    """Why a topic cannot be called so; None where it can."""
    if not name:
        return "Topic name is invalid: the empty string is not allowed"
    if name in (".", ".."):
        return f"Topic name is invalid: '{name}' is not allowed"
    if len(name) > _SIZE_MAX:
        return (
            f"Topic name is invalid: the length of '{name}' is longer than the max allowed length "
            f"{_SIZE_MAX}"
        )
    if not _LEGAL.fullmatch(name):
        return (
            f"Topic name is invalid: '{name}' contains one or more characters other than ASCII "
            "alphanumerics, '.', '_' and '-'"
        )
    return None


def collides_with(name: str, others: Iterable[str]) -> str | None:
    """A topic whose name differs only in `.` and `_`: their metrics would be one."""
    if "." not in name and "_" not in name:
        return None
    plain = name.replace(".", "_")
    for other in others:
        if other != name and len(other) == len(name) and other.replace(".", "_") == plain:
            return other
    return None
