"""Staff and organisations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from apps.accounts.public import ROLES, Organisation, User
from apps.console import navigation
from apps.console.pages.search import place
from apps.console.site import SITE
from apps.console.timeline import timeline_of
from apps.core.console import ReadOnlyAdmin, id_html, state_html, time_html

navigation.entry("Control", "Staff", "/console/staff/", permission="staff.read")
navigation.entry("Control", "Organisations", "/console/organisations/", permission="organisations.read")
place("usr", "/console/staff/{}/", "staff.read")
place("org", "/console/organisations/{}/", "organisations.read")
User._meta.verbose_name_plural = "staff"


class StaffAdmin(ReadOnlyAdmin):
    """Who works here, in which role."""

    permission, slug, id_prefix = "staff.read", "staff", "usr"
    intro = "Whoever makes does not check: no role holds both."
    list_display = ("username", "role_title", "state_word", "logged_in", "joined")
    list_filter = ("role", "is_active")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave customers out."""
        return super().get_queryset(request).filter(kind=User.Kind.STAFF)

    @admin.display(description="role")
    def role_title(self, row: User) -> str:
        """Show the role's title."""
        return ROLES[row.role].title if row.role in ROLES else row.role

    @admin.display(description="state")
    def state_word(self, row: User) -> str:
        """Show whether the user may log in."""
        return state_html("active" if row.is_active else "disabled")

    @admin.display(description="latest login")
    def logged_in(self, row: User) -> str:
        """Show when the user came in last."""
        return time_html(row.last_login)

    @admin.display
    def joined(self, row: User) -> str:
        """Show since when."""
        return time_html(row.joined_at)

    def object_page(self, request: HttpRequest, found: User) -> HttpResponse:
        """Show a member of staff: what the role opens, and what was done about them."""
        role = ROLES.get(found.role)
        facts = {
            "id": id_html(found.public_id, short=False),
            "role": role.title if role else found.role,
            "that means": role.description if role else "",
            "state": self.state_word(found),
            "latest login": found.last_login,
            "joined": found.joined_at,
            "may": ", ".join(sorted(role.permissions)) if role else "",
        }
        return self.page(
            request,
            "console/object.html",
            title=found.username,
            facts=facts,
            timeline=timeline_of(found.public_id),
        )


class OrganisationAdmin(ReadOnlyAdmin):
    """The tenants, and the operator among them."""

    permission, slug, id_prefix = "organisations.read", "organisations", "org"
    list_display = ("name", "kind", "country", "public", "since")
    list_filter = ("kind",)

    @admin.display(description="id")
    def public(self, row: Organisation) -> str:
        """Show the public id."""
        return id_html(row.public_id)

    @admin.display(description="opened")
    def since(self, row: Organisation) -> str:
        """Show since when."""
        return time_html(row.created_at)

    def object_page(self, request: HttpRequest, found: Organisation) -> HttpResponse:
        """Show an organisation."""
        facts = {
            "id": id_html(found.public_id, short=False),
            "kind": found.kind,
            "country": found.country,
            "opened": found.created_at,
        }
        return self.page(
            request,
            "console/object.html",
            title=found.name,
            facts=facts,
            timeline=timeline_of(found.public_id),
        )


SITE.register(User, StaffAdmin)
SITE.register(Organisation, OrganisationAdmin)
