"""Webhooks: whom we tell, what was delivered, what providers told us, and what died on the way."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from apps.console import badges, navigation
from apps.console.actions import Action, ReasonForm, confirm, offered
from apps.console.pages.search import place
from apps.console.seen import seen
from apps.console.site import SITE
from apps.console.tiles import Tile, tile
from apps.core.console import ReadOnlyAdmin, id_html, page_of, state_html, time_html
from apps.core.ids import public_id
from apps.webhooks.public import (
    LISTERS,
    Delivery,
    DiscardDelivery,
    DiscardInboxEvent,
    Endpoint,
    InboxEvent,
    ReplayInboxEvent,
    ResendDelivery,
    Source,
    attempts,
    catching_up,
    masked,
)

READ = "webhooks.read"
DEAD_OUT = DEAD_IN = "/console/dead-letters/"

navigation.entry("Integrations", "Endpoints", "/console/endpoints/", permission=READ, keys="w")
navigation.entry("Integrations", "Deliveries", "/console/deliveries/", permission=READ)
navigation.entry("Integrations", "Inbox", "/console/inbox/", permission=READ)
navigation.entry("Integrations", "Sources", "/console/sources/", permission=READ)
for prefix, address in (("we", "endpoints"), ("del", "deliveries"), ("ine", "inbox"), ("src", "sources")):
    place(prefix, f"/console/{address}/{{}}/", READ)
Endpoint._meta.verbose_name_plural = "endpoints"
Delivery._meta.verbose_name_plural = "deliveries"
InboxEvent._meta.verbose_name_plural = "inbox"
Source._meta.verbose_name_plural = "sources"

RESEND = Action(
    "resend",
    "Send again",
    "webhooks.write",
    "The same event is sent once more, under the same id, signed with today's secret.",
    "It is queued.",
    ReasonForm,
)
REPLAY = Action(
    "replay",
    "Apply again",
    "events.replay",
    "The provider's event is taken up again as it was stored; what was applied before is not applied twice.",
    "It is queued.",
    ReasonForm,
)

GIVE_UP = Action(
    "discard",
    "Give up",
    "events.replay",
    "It is taken off the dead letters and stays without effect. The reason is kept.",
    "It is given up.",
    ReasonForm,
    danger=True,
)


class EndpointAdmin(ReadOnlyAdmin):
    """Addresses that are told of events."""

    permission, slug, id_prefix = READ, "endpoints", "we"
    intro = "Addresses that organisations gave us, and the events they want to be told of."
    list_display = ("url", "state_word", "events", "organisation", "since")
    list_filter = ("state",)

    @admin.display(description="state")
    def state_word(self, row: Endpoint) -> str:
        """Show the state."""
        return state_html(row.state)

    @admin.display
    def events(self, row: Endpoint) -> str:
        """Show the filters."""
        return ", ".join(row.event_filters)

    @admin.display
    def organisation(self, row: Endpoint) -> str:
        """Show whose."""
        return id_html(public_id("org", row.organisation_id))

    @admin.display(description="added")
    def since(self, row: Endpoint) -> str:
        """Show since when."""
        return time_html(row.created_at)

    def object_page(self, request: HttpRequest, found: Endpoint) -> HttpResponse:
        """Show an endpoint and what was sent to it lately; its secrets are nowhere."""
        facts = {
            "id": id_html(public_id("we", found.id), short=False),
            "address": found.url,
            "description": found.description,
            "state": state_html(found.state),
            "events": ", ".join(found.event_filters),
            "in order": found.ordered,
            "in flight at most": found.max_in_flight,
            "added": found.created_at,
            "disabled": found.disabled_at,
        }
        latest = Delivery.objects.filter(endpoint_id=found.id).order_by("-id")[:30]
        return self.page(request, "console/endpoint.html", title="Endpoint", facts=facts, deliveries=latest)


class DeliveryAdmin(ReadOnlyAdmin):
    """Events on their way to endpoints."""

    permission, slug, id_prefix = READ, "deliveries", "del"
    list_display = ("delivery", "event_name", "state_word", "attempts", "answer", "about", "made")
    list_filter = (("status", admin.ChoicesFieldListFilter),)

    @admin.display
    def delivery(self, row: Delivery) -> str:
        """Show the id."""
        text = public_id("del", row.id)
        return f"{text[:8]}…{text[-6:]}"

    @admin.display(description="state")
    def state_word(self, row: Delivery) -> str:
        """Show the state."""
        return state_html(row.status)

    @admin.display
    def answer(self, row: Delivery) -> str:
        """Show what the endpoint said last."""
        return str(row.latest_status_code or row.latest_error or "–")

    @admin.display
    def about(self, row: Delivery) -> str:
        """Link to the object."""
        return id_html(row.object_id, url=page_of(row.object_id))

    @admin.display
    def made(self, row: Delivery) -> str:
        """Show when."""
        return time_html(row.created_at)

    def more_urls(self) -> list[Any]:
        """Add the button."""
        return [
            path("<str:object_id>/resend/", self.admin_site.admin_view(self.resend)),
            path("<str:object_id>/discard/", self.admin_site.admin_view(self.discard)),
        ]

    def object_page(self, request: HttpRequest, found: Delivery) -> HttpResponse:
        """Show a delivery with each of its attempts."""
        event, endpoint = public_id("evt", found.event_id), public_id("we", found.endpoint_id)
        facts = {
            "id": id_html(public_id("del", found.id), short=False),
            "event": id_html(event, url=page_of(event)),
            "endpoint": id_html(endpoint, url=page_of(endpoint)),
            "about": id_html(found.object_id, url=page_of(found.object_id)),
            "state": state_html(found.status),
            "reason": found.reason,
            "made": found.created_at,
            "finished": found.finished_at,
            "correlation": found.correlation_id,
        }
        final = found.status in (Delivery.Status.DELIVERED, Delivery.Status.DEAD, Delivery.Status.DISCARDED)
        return self.page(
            request,
            "console/delivery.html",
            title=found.event_name,
            facts=facts,
            attempts=attempts(found.id),
            actions=offered(request, _for_delivery(found)) if final else [],
        )

    def discard(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm and give the delivery up. Raises Http404 unless it is dead."""
        found = seen(self, request, object_id)
        if found.status != Delivery.Status.DEAD:
            raise Http404
        return confirm(
            request,
            GIVE_UP,
            back=self.address(found.id),
            facts={"event": found.event_name, "about": found.object_id},
            build=partial(_again, DiscardDelivery, found),
        )

    def resend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm and queue the delivery again."""
        found = seen(self, request, object_id)
        return confirm(
            request,
            RESEND,
            back=self.address(found.id),
            facts={"event": found.event_name, "about": found.object_id},
            build=partial(_again, ResendDelivery, found),
        )


class InboxAdmin(ReadOnlyAdmin):
    """What providers told us."""

    permission, slug, id_prefix = READ, "inbox", "ine"
    intro = "Events of providers whose signatures were right, each stored before it was answered and applied once."
    list_display = ("event", "provider", "event_type", "state_word", "attempts", "reason", "received")
    list_filter = ("status", "provider")

    @admin.display
    def event(self, row: InboxEvent) -> str:
        """Show the provider's id."""
        return row.event_id[:40]

    @admin.display(description="state")
    def state_word(self, row: InboxEvent) -> str:
        """Show the state."""
        tone = {"applied": "good", "ignored": "off", "retry": "busy"}.get(row.status, "")
        return state_html(row.status, tone=tone)

    @admin.display
    def received(self, row: InboxEvent) -> str:
        """Show when."""
        return time_html(row.received_at)

    def more_urls(self) -> list[Any]:
        """Add the button."""
        return [
            path("<str:object_id>/replay/", self.admin_site.admin_view(self.replay)),
            path("<str:object_id>/discard/", self.admin_site.admin_view(self.discard)),
        ]

    def object_page(self, request: HttpRequest, found: InboxEvent) -> HttpResponse:
        """Show what became of an event, and its payload's shape: what it says of people is masked."""
        facts = {
            "id": id_html(public_id("ine", found.id), short=False),
            "provider": found.provider,
            "event": found.event_id,
            "type": found.event_type,
            "state": self.state_word(found),
            "reason": id_html(found.reason, url=page_of(found.reason))
            if found.reason.startswith("pay_")
            else found.reason,
            "attempts": found.attempts,
            "occurred": found.occurred_at,
            "received": found.received_at,
            "finished": found.finished_at,
            "payload, masked": json.dumps(masked(found.payload), ensure_ascii=False),
            "sha-256 of the payload": bytes(found.payload_sha256),
        }
        dead = found.status == InboxEvent.Status.DEAD
        return self.page(
            request,
            "console/inbox_event.html",
            title=found.event_type,
            facts=facts,
            actions=offered(request, [REPLAY, GIVE_UP]) if dead else [],
        )

    def discard(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm and give the event up. Raises Http404 unless it is dead."""
        found = seen(self, request, object_id)
        if found.status != InboxEvent.Status.DEAD:
            raise Http404
        return confirm(
            request,
            GIVE_UP,
            back=self.address(found.id),
            facts={"event": found.event_id, "reason it died": found.reason},
            build=partial(_again, DiscardInboxEvent, found),
        )

    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm and take the event up again. Raises Http404 unless it is dead."""
        found = seen(self, request, object_id)
        if found.status != InboxEvent.Status.DEAD:
            raise Http404
        return confirm(
            request,
            REPLAY,
            back=self.address(found.id),
            facts={"event": found.event_id, "reason it died": found.reason},
            build=partial(_again, ReplayInboxEvent, found),
        )


class SourceAdmin(ReadOnlyAdmin):
    """Providers' accounts that may call us."""

    permission, slug, id_prefix = READ, "sources", "src"
    intro = "Accounts at providers that may call us, and whether what never came is asked for."
    list_display = ("source", "provider", "state_word", "missed_events", "since")
    list_filter = ("state", "provider")

    @admin.display
    def source(self, row: Source) -> str:
        """Show the title."""
        return row.title

    @admin.display(description="state")
    def state_word(self, row: Source) -> str:
        """Show the state."""
        return state_html(row.state)

    @admin.display
    def missed_events(self, row: Source) -> str:
        """Tell whether the provider lists what it sent, and when that list was read."""
        if row.provider not in LISTERS:
            return "cannot be asked for: the provider offers no list"
        return time_html(row.reconciled_at) if row.reconciled_at else "never asked for yet"

    @admin.display(description="added")
    def since(self, row: Source) -> str:
        """Show since when."""
        return time_html(row.created_at)

    def object_page(self, request: HttpRequest, found: Source) -> HttpResponse:
        """Show a source; its secrets are nowhere, and of its path only that it has one."""
        facts = {
            "id": id_html(public_id("src", found.id), short=False),
            "provider": found.provider,
            "title": found.title,
            "organisation": id_html(public_id("org", found.organisation_id)),
            "state": state_html(found.state),
            "missed events": catching_up(found),
            "added": found.created_at,
        }
        return self.page(request, "console/object.html", title="Source", facts=facts)


def _for_delivery(found: Delivery) -> list[Action]:
    return [RESEND, GIVE_UP] if found.status == Delivery.Status.DEAD else [RESEND]


def _again(command: Any, found: Any, data: dict[str, Any]) -> Any:
    return command(found.organisation_id, found.id, data["reason"])


SITE.register(Endpoint, EndpointAdmin)
SITE.register(Delivery, DeliveryAdmin)
SITE.register(InboxEvent, InboxAdmin)
SITE.register(Source, SourceAdmin)


def dead_letters() -> tuple[int, int]:
    """Count dead deliveries and dead provider events."""
    return (
        Delivery.objects.filter(status=Delivery.Status.DEAD).count(),
        InboxEvent.objects.filter(status=InboxEvent.Status.DEAD).count(),
    )


badges.BADGES.append(badges.Badge("dead deliveries", DEAD_OUT, READ, lambda: dead_letters()[0]))
badges.BADGES.append(badges.Badge("dead in the inbox", DEAD_IN, READ, lambda: dead_letters()[1]))


@tile(READ)
def dead_letters_tile() -> Tile:
    """Tell how many letters are dead, in either direction."""
    out, inwards = dead_letters()
    return Tile(
        "Dead letters",
        out + inwards,
        DEAD_IN if inwards and not out else DEAD_OUT,
        f"{out} out, {inwards} in",
        "bad" if out + inwards else "good",
    )
