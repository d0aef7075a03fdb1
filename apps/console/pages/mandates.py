"""Mandates and what is collected under them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path

from apps.console import access, masks, navigation
from apps.console.actions import Action, ConfirmForm, OptionalReasonForm
from apps.console.pages.search import place
from apps.console.reveal import revealed_page
from apps.console.seen import seen
from apps.console.site import SITE
from apps.console.timeline import timeline_of
from apps.console.working import WorkedAdmin
from apps.core.console import ReadOnlyAdmin, amount_html, id_html, page_of, state_html, time_html
from apps.core.ids import public_id
from apps.payments import public as payments
from apps.payments.public import Collection, Mandate

READ = "payments.read"
COLLECTIONS_SHOWN = 20

navigation.entry("Money", "Mandates", "/console/mandates/", permission=READ)
navigation.entry("Money", "Collections", "/console/collections/", permission=READ)
place("mdt", "/console/mandates/{}/", READ)
Mandate._meta.verbose_name_plural = "mandates"
Collection._meta.verbose_name_plural = "collections"


class SignForm(ConfirmForm):
    """A confirmation that asks when the debtor signed."""

    signed_on = forms.DateField(
        label="Signed on", widget=forms.DateInput(attrs={"type": "date"}), input_formats=["%Y-%m-%d"]
    )


class MandateAdmin(WorkedAdmin):
    """Debtors' consents, newest first."""

    permission, slug, id_prefix = READ, "mandates", "mdt"
    intro = "Debtors' consents to be collected from, under a creditor identifier or in the ACH."
    list_display = (
        "reference",
        "scheme",
        "recurrence",
        "state_word",
        "creditor_id",
        "signed",
        "lapses",
    )
    list_filter = ("state", "scheme", "recurrence")
    search_fields = ("reference",)
    search_hint = "Mandate reference"
    buttons = {
        "sign": (
            Action(
                "sign",
                "Record signature",
                "payments.write",
                "The debtor has signed: from now on it can be collected under this mandate.",
                "Active.",
                SignForm,
            ),
            lambda found, data: payments.SignMandate(found.organisation_id, found.id, data["signed_on"]),
        ),
        "suspend": (
            Action(
                "suspend",
                "Suspend",
                "payments.write",
                "Nothing is ordered and nothing leaves under this mandate until it is resumed.",
                "Suspended.",
                OptionalReasonForm,
            ),
            lambda found, data: payments.SuspendMandate(found.organisation_id, found.id, data["reason"]),
        ),
        "resume": (
            Action(
                "resume",
                "Resume",
                "payments.write",
                "It can be collected under this mandate again.",
                "Resumed.",
            ),
            lambda found, data: payments.ResumeMandate(found.organisation_id, found.id),
        ),
        "cancel": (
            Action(
                "cancel",
                "Cancel mandate",
                "payments.write",
                "The mandate ends for good; collections that wait under it are cancelled.",
                "Cancelled.",
                OptionalReasonForm,
                danger=True,
            ),
            lambda found, data: payments.CancelMandate(found.organisation_id, found.id, data["reason"]),
        ),
    }

    @admin.display
    def signed(self, row: Mandate) -> str:
        """Show the day of the signature."""
        return time_html(row.signed_on)

    @admin.display
    def lapses(self, row: Mandate) -> str:
        """Show from when it has lapsed, unless it is used before."""
        return time_html(row.lapses_on)

    def more_urls(self) -> list[Any]:
        """Add the reveal before the confirmations."""
        return [
            path("<str:object_id>/reveal/", self.admin_site.admin_view(self.reveal)),
            *super().more_urls(),
        ]

    def confirmed(self, found: Mandate) -> dict[str, Any]:
        """Repeat which mandate it is."""
        return {
            "mandate": public_id("mdt", found.id),
            "reference": found.reference,
            "scheme": found.scheme,
            "state": state_html(found.state),
        }

    def object_page(self, request: HttpRequest, found: Mandate) -> HttpResponse:
        """Show one mandate with its latest collections, the debtor masked."""
        return self._mandate_page(request, found, revealed=False)

    def _mandate_page(self, request: HttpRequest, found: Mandate, *, revealed: bool) -> HttpResponse:
        text = public_id("mdt", found.id)
        return self.page(
            request,
            "console/mandate.html",
            title=f"Mandate {found.reference}",
            found=found,
            debtor=_debtor(found, revealed=revealed),
            facts=_facts(found),
            revealed=revealed,
            can_reveal=access.may(request, "personal_data.reveal") and not revealed,
            actions=self.offered(request, found),
            collected=payments.collections(mandate_id=found.id).order_by("-id")[:COLLECTIONS_SHOWN],
            all_collected=f"/console/collections/?mandate_id={found.id}",
            timeline=timeline_of(text),
        )

    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the debtor, after a reason that the audit log keeps."""
        found = seen(self, request, object_id)
        return revealed_page(
            request,
            object_type="mandate",
            object_id=public_id("mdt", found.id),
            back=self.address(found.id),
            show=lambda: self._mandate_page(request, found, revealed=True),
        )


def _debtor(found: Mandate, *, revealed: bool) -> dict[str, Any]:
    other = payments.counterparty_of(found)
    if other is None:
        return {}
    name, account = (None, None) if revealed else (masks.masked_name, masks.masked_account)
    return {"name": masks.shown(other.name, name), "account": masks.shown(other.account, account)}


def _facts(found: Mandate) -> dict[str, Any]:
    organisation = public_id("org", found.organisation_id)
    facts = {
        "id": id_html(public_id("mdt", found.id), short=False),
        "organisation": id_html(organisation, url=page_of(organisation)),
        "scheme": found.scheme,
        "recurrence": found.recurrence.replace("_", " "),
        "creditor": found.creditor_id,
        "signed": found.signed_on,
        "debtor told before": f"{found.prenotification_days} days",
        "last used": found.last_used_on,
        "lapses": found.lapses_on,
        "amended": found.amended_at,
        "former reference": found.original_reference,
        "former creditor": found.original_creditor_id,
        "account changed": "yes" if found.account_changed else "",
        "recorded": found.created_at,
    }
    return {name: value for name, value in facts.items() if value}


class StateFilter(admin.SimpleListFilter):
    """Filter collections by the state of their payment."""

    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the states that a collection can be in."""
        return [(state, state) for state in payments.collection_states()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Ask the payments."""
        if not self.value():
            return queryset
        return queryset.filter(pk__in=payments.collections(states=[str(self.value())]).values("pk"))


class CollectionAdmin(ReadOnlyAdmin):
    """What is collected, newest first. Each has its payment's key, and its buttons are its payment's."""

    permission, slug, id_prefix = READ, "collections", "pay"
    intro = "Money that is collected by direct debit, with its days. Its page is its payment's."
    list_display = (
        "payment",
        "mandate",
        "scheme",
        "sequence_type",
        "state_word",
        "amount",
        "asked_for",
        "presented",
        "reserved",
    )
    list_filter = (StateFilter, "scheme", "sequence_type")
    search_fields = ("reference",)
    search_hint = "Mandate reference"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read the payments of the whole page at once."""
        found = super().get_changelist_instance(request)
        known = payments.payments().in_bulk([row.pk for row in found.result_list])
        for row in found.result_list:
            row.payment_row = known[row.pk]
        return found

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Let a mandate's page link to what is collected under it."""
        return lookup == "mandate_id" or super().lookup_allowed(lookup, value, request)

    @admin.display
    def payment(self, row: Any) -> str:
        """Show the payment's end-to-end id."""
        name = str(row.payment_row.end_to_end_id)
        return f"{name[:8]}…{name[-6:]}"

    @admin.display
    def mandate(self, row: Collection) -> str:
        """Link to the mandate."""
        mandate = public_id("mdt", row.mandate_id) if row.mandate_id else ""
        return id_html(row.reference, url=page_of(mandate)) if mandate else row.reference

    @admin.display(description="state")
    def state_word(self, row: Any) -> str:
        """Show the payment's state."""
        return state_html(row.payment_row.state)

    @admin.display
    def amount(self, row: Any) -> str:
        """Show the amount."""
        return amount_html(row.payment_row.amount)

    @admin.display
    def asked_for(self, row: Collection) -> str:
        """Show the day that was asked for."""
        return time_html(row.collection_date)

    @admin.display
    def presented(self, row: Collection) -> str:
        """Show the day in the file."""
        return time_html(row.presented_for)

    @admin.display(description="in reserve until")
    def reserved(self, row: Collection) -> str:
        """Show until when the money lies in the reserve."""
        return time_html(row.reserved_until)

    def object_page(self, request: HttpRequest, found: Collection) -> HttpResponse:
        """Show what the payment is as a collection; what may be done is on the payment's page."""
        text = public_id("pay", found.id)
        payment = payments.payment(found.id)
        mandate = public_id("mdt", found.mandate_id) if found.mandate_id else ""
        facts = {
            "payment": id_html(payment.end_to_end_id, url=f"/console/payments/{text}/", short=False),
            "state": state_html(payment.state),
            "amount": payment.amount,
            "mandate": id_html(found.reference, url=page_of(mandate), short=False) if mandate else "",
            "scheme": found.scheme,
            "sequence": found.sequence_type,
            "creditor": f"{found.creditor_name} {found.creditor_id}".strip(),
            "asked for": found.collection_date,
            "debtor told from": found.prenotify_on,
            "debtor told": found.prenotified_at,
            "handed over from": found.submit_on,
            "in the file for": found.presented_for,
            "group of the file": found.group_reference,
            "in reserve until": found.reserved_until,
        }
        return self.page(
            request,
            "console/object.html",
            title="Collection",
            found=found,
            facts={name: value for name, value in facts.items() if value},
            timeline=timeline_of(text),
        )


SITE.register(Mandate, MandateAdmin)
SITE.register(Collection, CollectionAdmin)
