"""The platform itself: events and who has read them, dead events, processes."""

from __future__ import annotations

import json

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from apps.console import badges, navigation
from apps.console.frame import page
from apps.console.pages.search import place
from apps.console.site import SITE
from apps.console.tiles import Tile, tile
from apps.core import clock, heartbeats, outbox
from apps.core.console import ReadOnlyAdmin, id_html, page_of, state_html, time_html
from apps.core.ids import public_id
from apps.core.models import ConsumerCursor, DeadEvent, Heartbeat, OutboxEvent

READ = "events.read"
LAG_LONG_S = 60
KINDS = ("web", "worker", "beat", "relay", "ledger")

navigation.entry("Platform", "Events", "/console/events/", permission=READ, keys="e")
navigation.entry("Platform", "Dead events", "/console/dead-events/", permission=READ, keys="d")
navigation.entry("Platform", "Processes", "/console/processes/", permission=READ)
place("evt", "/console/events/{}/", READ)


class EventAdmin(ReadOnlyAdmin):
    """What happened, as the outbox tells it."""

    permission, slug, id_prefix = READ, "events", "evt"
    intro = "Facts, written in the same transaction as the change they tell of; consumers read them at least once."
    list_display = ("when", "event", "about", "organisation")
    list_filter = ("name",)
    search_fields = ("object_id",)
    search_hint = "Public id of an object"

    @admin.display(description="occurred")
    def when(self, row: OutboxEvent) -> str:
        """Show when."""
        return time_html(row.occurred_at)

    @admin.display
    def event(self, row: OutboxEvent) -> str:
        """Show what."""
        return f"{row.name} v{row.version}"

    @admin.display
    def about(self, row: OutboxEvent) -> str:
        """Link to the object."""
        return id_html(row.object_id, url=page_of(row.object_id))

    @admin.display
    def organisation(self, row: OutboxEvent) -> str:
        """Show whose."""
        return id_html(public_id("org", row.organisation_id) if row.organisation_id else "")

    def object_page(self, request: HttpRequest, found: OutboxEvent) -> HttpResponse:
        """Show the event with its payload."""
        payload = json.loads(found.payload) if isinstance(found.payload, str) else found.payload
        facts = {
            "event": f"{found.name} v{found.version}",
            "id": public_id("evt", found.id),
            "about": id_html(found.object_id, url=page_of(found.object_id), short=False),
            "occurred": found.occurred_at,
            "recorded": found.recorded_at,
            "correlation": format_html(
                '<a href="/console/audit/?correlation_id={}">{}</a>',
                found.correlation_id,
                found.correlation_id,
            ),
            "payload": payload,
        }
        return self.page(request, "console/object.html", title=found.name, facts=facts)


class DeadEventAdmin(ReadOnlyAdmin):
    """Events that a consumer could not take."""

    permission, slug = READ, "dead-events"
    intro = "Events that a consumer of the platform gave up on after every attempt."
    list_display = ("when", "consumer", "name", "error", "attempts", "settled")
    list_filter = (("settled_at", admin.EmptyFieldListFilter), "consumer")
    list_display_links = None

    @admin.display(description="died")
    def when(self, row: DeadEvent) -> str:
        """Show when."""
        return time_html(row.died_at)

    @admin.display
    def settled(self, row: DeadEvent) -> str:
        """Show whether somebody settled it, and how."""
        return state_html(row.settled_as or "open", tone="good" if row.settled_at else "bad")


SITE.register(OutboxEvent, EventAdmin)
SITE.register(DeadEvent, DeadEventAdmin)
OutboxEvent._meta.verbose_name_plural = "events"
DeadEvent._meta.verbose_name_plural = "dead events"


@SITE.page("processes/", name="processes", permission=READ)
def processes(request: HttpRequest) -> HttpResponse:
    """Show who is alive, and how far each consumer has read."""
    now = clock.database_now()
    alive = [
        (row, (now - row.beaten_at).total_seconds() <= heartbeats.FRESH_S)
        for row in Heartbeat.objects.order_by("kind", "-beaten_at")[:100]
    ]
    return page(
        request,
        "console/processes.html",
        title="Processes",
        alive=alive,
        now=now,
        consumers=ConsumerCursor.objects.order_by("consumer")[:200],
        lag_s=outbox.newest_lag_s(),
    )


def dead_count() -> int:
    """Count the dead events that nobody has settled."""
    return DeadEvent.objects.filter(settled_at=None).count()


badges.BADGES.append(
    badges.Badge("dead events", "/console/dead-events/?settled_at__isempty=1", READ, dead_count)
)


@tile(READ)
def dead_tile() -> Tile:
    """Tell how many events are dead."""
    count = dead_count()
    return Tile(
        "Dead events", count, "/console/dead-events/?settled_at__isempty=1", tone="bad" if count else "good"
    )


@tile(READ)
def lag_tile() -> Tile:
    """Tell how long the oldest unread event has waited."""
    lag_s = outbox.newest_lag_s()
    return Tile(
        "Outbox lag",
        f"{lag_s:.1f} s",
        "/console/processes/",
        "oldest event that a consumer has not read",
        "good" if lag_s <= LAG_LONG_S else "bad",
    )


@tile(READ)
def processes_tile() -> Tile:
    """Tell which kinds of process are alive."""
    now = clock.database_now()
    fresh = {
        row.kind
        for row in Heartbeat.objects.all()
        if (now - row.beaten_at).total_seconds() <= heartbeats.FRESH_S
    }
    gone = [kind for kind in ("worker", "relay") if kind not in fresh]
    return Tile(
        "Processes",
        "gone: " + ", ".join(gone) if gone else "all alive",
        "/console/processes/",
        ", ".join(sorted(fresh)) or "no heartbeat",
        "bad" if gone else "good",
    )
