"""What the context adds to core's registries: its part of an object's timeline, and its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db import connection

from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.metrics import READINGS, Gauge
from apps.core.registries import TIMELINES, TimelineItem
from apps.reconciliation.models import BreakEvent, Match, MatchItem
from apps.reconciliation.queries import matches_of_payment

ITEMS_MAX = 100


def timeline(object_id: str) -> list[TimelineItem]:
    """List the bank's lines that explain a payment, or what happened to a break. Needs an open scope."""
    kind, key = object_id.partition("_")[0], None
    try:
        key = parse_public_id(kind, object_id)
    except Refusal:
        return []
    if kind == "pay":
        return [item for match in matches_of_payment(key)[:ITEMS_MAX] for item in _match(match)]
    return _break(key) if kind == "brk" else []


def _match(match: Match) -> Iterator[TimelineItem]:
    lines = (
        MatchItem.objects.filter(match_id=match.id, line__isnull=False).select_related("line").order_by("id")
    )
    for item in lines[:ITEMS_MAX]:
        if item.line is None:
            continue
        statement = public_id("stm", item.line.statement_id)
        yield TimelineItem(
            at=match.made_at,
            kind="statement",
            actor=match.made_by,
            title=f"{'Matched' if match.state != 'undone' else 'Was matched'} with the bank's line of "
            f"{item.line.booking_date:%d %b %Y}, by {match.method.replace('_', ' ')}",
            detail={"match": public_id("mat", match.id), "statement": statement, "state": match.state},
            url=f"/console/statements/{statement}/",
        )


def _break(key: UUID) -> list[TimelineItem]:
    return [
        TimelineItem(
            at=event.at,
            kind="state",
            title=f"Break {event.action}",
            actor=event.actor,
            detail={"version": event.version, **event.data},
        )
        for event in BreakEvent.objects.filter(break_of_id=key).order_by("version")[:ITEMS_MAX]
    ]


def readings() -> Iterator[Gauge]:
    """Read how many breaks are open, since when, and how many matches still wait for their effect."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reason, count(*), coalesce(max(current_date - day), 0) FROM reconciliation_break"
            " WHERE state = 'open' GROUP BY reason"
        )
        for reason, count, age_days in cursor.fetchall():
            yield Gauge("bezant_breaks_open", "Open breaks.", count, {"reason": reason})
            yield Gauge(
                "bezant_breaks_oldest_days", "Age of the oldest of them.", age_days, {"reason": reason}
            )
        cursor.execute("SELECT count(*) FROM reconciliation_match WHERE state = 'made'")
        yield Gauge(
            "bezant_matches_waiting", "Matches whose effect has not happened yet.", cursor.fetchone()[0]
        )


TIMELINES.register("reconciliation", timeline)
READINGS.register("reconciliation", readings)
