"""The numbers every page's header shows: what waits for somebody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest

from apps.console import access


@dataclass(frozen=True, slots=True)
class Badge:
    """A number that waits, where its list is, and who may see it."""

    label: str
    url: str
    permission: str
    count: Callable[[], int]


BADGES: list[Badge] = []


def counts(request: HttpRequest) -> list[tuple[Badge, int]]:
    """Count what is waiting, for the badges that the actor's role opens; nothing waiting, no badge."""
    if getattr(request, "actor", None) is None or request.method not in ("GET", "HEAD"):
        return []
    seen = [(badge, badge.count()) for badge in BADGES if access.may(request, badge.permission)]
    return [(badge, number) for badge, number in seen if number]
