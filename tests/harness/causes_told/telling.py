"""How a story is kept with the cause that it shows."""

from __future__ import annotations

from collections.abc import Callable

from stories import Story

Telling = Callable[[], Story]

STORIES: list[tuple[str, Telling]] = []


def shows(slug: str) -> Callable[[Telling], Telling]:
    """The story told by this function has that cause."""

    def keep(telling: Telling) -> Telling:
        STORIES.append((slug, telling))
        return telling

    return keep
