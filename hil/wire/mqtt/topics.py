"""Topic names and topic filters."""

from __future__ import annotations


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Whether a subscription to `topic_filter` receives messages on `topic`."""
    raise NotImplementedError
