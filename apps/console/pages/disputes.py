"""Cardholders' disputes: until when they can be answered, and the answers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from apps.console import badges, navigation
from apps.console.actions import Action, ConfirmForm
from apps.console.pages.search import place
from apps.console.site import SITE
from apps.console.timeline import timeline_of
from apps.console.working import WorkedAdmin
from apps.core.console import amount_html, id_html, page_of, state_html, time_html
from apps.core.ids import public_id
from apps.payments import public as payments
from apps.payments.public import Dispute

READ = "payments.read"
OPENED = "/console/disputes/?state__exact=opened"

navigation.entry("Money", "Card payments", "/console/payments/?kind__exact=card", permission=READ)
navigation.entry("Money", "Disputes", "/console/disputes/", permission=READ)
place("dsp", "/console/disputes/{}/", READ)
Dispute._meta.verbose_name_plural = "disputes"


class EvidenceForm(ConfirmForm):
    """A confirmation that asks for what speaks against the dispute."""

    text = forms.CharField(
        label="Evidence",
        max_length=payments.EVIDENCE_MAX,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 8}),
    )


class DisputeAdmin(WorkedAdmin):
    """Disputes, newest first."""

    permission, slug, id_prefix = READ, "disputes", "dsp"
    intro = (
        "What cardholders object to, as the processor tells it. Undecided amounts lie in the dispute reserve."
    )
    list_display = ("short_id", "state_word", "amount", "reason", "provider", "due", "told")
    list_filter = ("state", "provider", "currency")
    search_fields = ("external_id",)
    search_hint = "The processor's id"
    buttons = {
        "submit": (
            Action(
                "submit",
                "Contest",
                "payments.write",
                "The evidence goes to the processor, once, and is never shown again: write no card numbers. Until the "
                "dispute is decided, the amount stays in the reserve.",
                "Contested.",
                EvidenceForm,
            ),
            lambda found, data: payments.ContestDispute(found.organisation_id, found.id, data["text"]),
        ),
        "accept": (
            Action(
                "accept",
                "Accept",
                "payments.write",
                "The dispute stands: the merchant loses the amount.",
                "Accepted.",
                danger=True,
            ),
            lambda found, data: payments.AcceptDispute(found.organisation_id, found.id),
        ),
    }

    @admin.display
    def amount(self, row: Dispute) -> str:
        """Show the amount."""
        return amount_html(row.amount)

    @admin.display(description="evidence until")
    def due(self, row: Dispute) -> str:
        """Show until when it can be answered."""
        return time_html(row.evidence_due_at)

    @admin.display
    def told(self, row: Dispute) -> str:
        """Show since when we know of it."""
        return time_html(row.created_at)

    def confirmed(self, found: Dispute) -> dict[str, Any]:
        """Repeat what is disputed, and until when it can be answered."""
        return {
            "dispute": public_id("dsp", found.id),
            "payment": public_id("pay", found.payment_id),
            "amount": found.amount,
            "reason": found.reason.replace("_", " "),
            "evidence until": found.evidence_due_at,
            "state": state_html(found.state),
        }

    def object_page(self, request: HttpRequest, found: Dispute) -> HttpResponse:
        """Show one dispute, with its payment's amount beside it."""
        text, payment = public_id("dsp", found.id), payments.payment(found.payment_id)
        organisation = public_id("org", found.organisation_id)
        facts = {
            "id": id_html(text, short=False),
            "payment": id_html(public_id("pay", payment.id), url=page_of(public_id("pay", payment.id))),
            "paid": payment.amount,
            "disputed": found.amount,
            "reason": found.reason.replace("_", " "),
            "organisation": id_html(organisation, url=page_of(organisation)),
            "processor": f"{found.provider} {found.external_id}",
            "evidence until": found.evidence_due_at,
            "answer not confirmed yet": f"asked {found.asked} times" if found.ask_at else "",
            "told": found.created_at,
        }
        return self.page(
            request,
            "console/worked.html",
            title=f"Dispute of {found.amount}",
            found=found,
            facts={name: value for name, value in facts.items() if value},
            actions=self.offered(request, found),
            timeline=timeline_of(text),
        )


SITE.register(Dispute, DisputeAdmin)


def to_answer() -> int:
    """Count the disputes that can still be answered."""
    return Dispute.objects.filter(state="opened").count()


badges.BADGES.append(badges.Badge("disputes to answer", OPENED, "payments.write", to_answer))
