"""The audit explorer: who did what to which object, when, and what one request caused."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from apps.compliance.public import AuditEntry
from apps.console import navigation
from apps.console.pages.search import place
from apps.console.site import SITE
from apps.core.console import ReadOnlyAdmin, id_html, page_of, state_html, time_html

READ = "audit.read"

navigation.entry("Control", "Audit", "/console/audit/", permission=READ, keys="u")
place("aud", "/console/audit/{}/", READ)
AuditEntry._meta.verbose_name_plural = "audit"


class AuditAdmin(ReadOnlyAdmin):
    """The audit log, newest first."""

    permission, slug, id_prefix = READ, "audit", "aud"
    intro = "Everything that was done, tried, refused or denied. Nobody can change or remove an entry."
    list_display = ("when", "action", "outcome_word", "actor", "about", "reason_given")
    list_filter = ("outcome", "actor_kind")
    search_fields = ("object_id",)
    search_hint = "Object, actor, correlation or action"

    @admin.display(description="at")
    def when(self, row: AuditEntry) -> str:
        """Show when."""
        return time_html(row.at)

    @admin.display(description="outcome")
    def outcome_word(self, row: AuditEntry) -> str:
        """Show what became of it."""
        return state_html(row.outcome)

    @admin.display
    def actor(self, row: AuditEntry) -> str:
        """Link to everything the actor did."""
        return format_html('<a href="?q={}">{}</a>', row.actor_id, f"{row.actor_kind} {_short(row.actor_id)}")

    @admin.display
    def about(self, row: AuditEntry) -> str:
        """Link to the object."""
        return id_html(row.object_id, url=page_of(row.object_id))

    @admin.display(description="reason")
    def reason_given(self, row: AuditEntry) -> str:
        """Show the reason in the entry: the refusal's code, or what staff wrote."""
        return row.reason or str(json.loads(row.data).get("reason", "")) or "–"

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Let pages link to one request's entries."""
        return lookup in ("correlation_id", "command_id") or super().lookup_allowed(lookup, value, request)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Find by a whole id, each kind of which has its index, or by an action."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if "_" in term and "." not in term:
            column = "actor_id" if term.startswith("usr_") and not _is_object(queryset, term) else "object_id"
            return queryset.filter(**{column: term}), False
        found = queryset.filter(action=term) if "." in term else queryset.filter(correlation_id=term)
        return (found if found.exists() else queryset.filter(actor_id=term)), False

    def object_page(self, request: HttpRequest, found: AuditEntry) -> HttpResponse:
        """Show the entry with its details and its hash."""
        facts = {
            "action": found.action,
            "outcome": state_html(found.outcome),
            "reason": found.reason,
            "actor": f"{found.actor_kind} {found.actor_id}",
            "object": id_html(found.object_id, url=page_of(found.object_id), short=False),
            "at": found.at,
            "recorded": found.recorded_at,
            "command": found.command_id,
            "correlation": format_html(
                '<a href="/console/audit/?correlation_id={}">{}</a>',
                found.correlation_id,
                found.correlation_id,
            ),
            "details": json.loads(found.data),
            "leaf hash": bytes(found.leaf_hash),
        }
        return self.page(request, "console/object.html", title=found.action, facts=facts)


def _is_object(rows: QuerySet[Any], term: str) -> bool:
    return rows.filter(object_id=term).exists() and not rows.filter(actor_id=term).exists()


def _short(actor_id: str) -> str:
    return f"{actor_id[:8]}…{actor_id[-4:]}" if len(actor_id) > 20 else actor_id


SITE.register(AuditEntry, AuditAdmin)
