"""API clients: which programs may do what, for whom. Their secrets are digests, and not shown either."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from apps.authz.public import Application
from apps.console import navigation
from apps.console.site import SITE
from apps.console.timeline import timeline_of
from apps.core.console import ReadOnlyAdmin, id_html, page_of, state_html, time_html
from apps.core.ids import public_id

READ = "clients.read"

navigation.entry("Integrations", "API clients", "/console/clients/", permission=READ)
Application._meta.verbose_name_plural = "API clients"


class ClientAdmin(ReadOnlyAdmin):
    """Programs that call the API."""

    permission, slug = READ, "clients"
    list_display = ("name", "identifier", "state_word", "method", "scopes", "whose", "since")

    @admin.display(description="client id")
    def identifier(self, row: Application) -> str:
        """Show the id, shortened."""
        return id_html(row.client_id)

    @admin.display(description="state")
    def state_word(self, row: Application) -> str:
        """Show whether the client may ask for tokens."""
        return state_html("disabled" if row.disabled_at else "active")

    @admin.display(description="proves itself by")
    def method(self, row: Application) -> str:
        """Show how the client authenticates."""
        return str(row.token_endpoint_auth_method).replace("_", " ")

    @admin.display
    def scopes(self, row: Application) -> str:
        """Show what the client may be granted."""
        return ", ".join(row.allowed_scopes) or "–"

    @admin.display(description="organisation")
    def whose(self, row: Application) -> str:
        """Show whose client it is."""
        return id_html(public_id("org", row.organisation_id))

    @admin.display(description="registered")
    def since(self, row: Application) -> str:
        """Show since when."""
        return time_html(row.created)

    def object_page(self, request: HttpRequest, found: Application) -> HttpResponse:
        """Show a client without anything secret."""
        organisation = public_id("org", found.organisation_id)
        facts = {
            "client id": id_html(found.client_id, short=False),
            "state": self.state_word(found),
            "proves itself by": self.method(found),
            "grant types": ", ".join(found.grant_types),
            "scopes": self.scopes(found),
            "redirects to": found.redirect_uris,
            "organisation": id_html(organisation, url=page_of(organisation)),
            "registered": found.created,
            "disabled": found.disabled_at,
        }
        return self.page(
            request,
            "console/object.html",
            title=found.name or "API client",
            facts=facts,
            timeline=timeline_of(found.client_id),
        )


SITE.register(Application, ClientAdmin)
