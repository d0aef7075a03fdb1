"""One timeline of an object, from everything that knows something about it."""

from __future__ import annotations

from apps.core.registries import TIMELINES, TimelineItem

ITEMS_MAX = 500


def timeline_of(object_id: str) -> list[TimelineItem]:
    """Gather what happened to the object, oldest first. Needs the platform's scope."""
    items = [item for source in TIMELINES.entries.values() for item in source(object_id)]
    return sorted(items, key=lambda item: item.at)[-ITEMS_MAX:]
