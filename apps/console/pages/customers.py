"""Customers: masked in lists and on their page, in clear for a reason."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path

from apps.accounts import public as accounts
from apps.accounts.public import Party
from apps.console import access, masks, navigation
from apps.console.actions import Action, ReasonForm, confirm, offered
from apps.console.pages.search import place
from apps.console.reveal import revealed_page
from apps.console.seen import seen
from apps.console.site import SITE
from apps.console.timeline import timeline_of
from apps.core.console import ReadOnlyAdmin, id_html, page_of, time_html
from apps.core.ids import public_id

READ = "customers.read"

navigation.entry("Customers", "Customers", "/console/customers/", permission=READ, keys="c")
place("pty", "/console/customers/{}/", READ)
Party._meta.verbose_name_plural = "customers"
ERASE = Action(
    "erase",
    "Erase personal data",
    "retention.write",
    "The key of this customer's data is destroyed: name, contact and payees can never be read again. "
    "Payments and the record stay. Accounts must be closed first.",
    "Erased.",
    ReasonForm,
    danger=True,
)


class CustomerAdmin(ReadOnlyAdmin):
    """People and companies that organisations deal with."""

    permission, slug, id_prefix = READ, "customers", "pty"
    intro = "Names are masked; a customer's page shows them for a reason that the audit log keeps."
    list_display = ("customer", "kind", "name_masked", "country", "reference", "since")
    list_filter = ("kind",)
    search_fields = ("reference",)
    search_hint = "The organisation's reference"

    @admin.display
    def customer(self, row: Party) -> str:
        """Show the id."""
        return f"{row.public_id[:8]}…{row.public_id[-6:]}"

    @admin.display(description="name")
    def name_masked(self, row: Party) -> str:
        """Show the initials."""
        return masks.shown(row.name, masks.masked_name)

    @admin.display(description="created")
    def since(self, row: Party) -> str:
        """Show since when."""
        return time_html(row.created_at)

    def more_urls(self) -> list[Any]:
        """Add the reveal and the erasure."""
        return [
            path("<str:object_id>/reveal/", self.admin_site.admin_view(self.reveal)),
            path("<str:object_id>/erase/", self.admin_site.admin_view(self.erase)),
        ]

    def object_page(self, request: HttpRequest, found: Party) -> HttpResponse:
        """Show one customer, masked."""
        return self._customer_page(request, found, revealed=False)

    def _customer_page(self, request: HttpRequest, found: Party, *, revealed: bool) -> HttpResponse:
        name, contact = (None, None) if revealed else (masks.masked_name, masks.masked_contact)
        organisation = public_id("org", found.organisation_id)
        facts = {
            "id": id_html(found.public_id, short=False),
            "kind": found.kind,
            "name": masks.shown(found.name, name),
            "e-mail": masks.shown(found.email, contact),
            "telephone": masks.shown(found.phone, contact),
            "country": found.country,
            "reference": found.reference,
            "organisation": id_html(organisation, url=page_of(organisation)),
            "created": found.created_at,
            "changed": found.changed_at,
        }
        held = accounts.payment_accounts(found.organisation_id, party_id=found.id).order_by("-id")[:100]
        return self.page(
            request,
            "console/customer.html",
            title=f"{found.kind.capitalize()} {masks.shown(found.name, name)}",
            facts=facts,
            actions=offered(request, [ERASE]),
            held=held,
            revealed=revealed,
            timeline=timeline_of(found.public_id),
            can_reveal=access.may(request, "personal_data.reveal") and not revealed,
        )

    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the customer in clear, after a reason that the audit log keeps."""
        found = seen(self, request, object_id)
        return revealed_page(
            request,
            object_type="customer",
            object_id=found.public_id,
            back=self.address(found.id),
            show=lambda: self._customer_page(request, found, revealed=True),
        )

    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the erasure of a customer's personal data."""
        found = seen(self, request, object_id)
        return confirm(
            request,
            ERASE,
            back=self.address(found.id),
            facts={"customer": found.public_id},
            build=lambda data: accounts.EraseCustomer(found.organisation_id, found.id, data["reason"]),
        )


SITE.register(Party, CustomerAdmin)
