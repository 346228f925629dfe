"""What the tests of the library read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import meghna


def values(topic: meghna.Topic, *args: object, **kwargs: object) -> list[bytes | None]:
    return [record.value for record in topic.read(*args, **kwargs)]  # type: ignore[arg-type]
