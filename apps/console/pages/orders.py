"""Bulk orders with their lines, and standing orders: what they will pay, and what may be done about them."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from apps.accounts import public as accounts
from apps.console import badges, masks, navigation
from apps.console.actions import Action, ConfirmForm, OptionalReasonForm, ReasonForm
from apps.console.pages.search import place
from apps.console.site import SITE
from apps.console.timeline import timeline_of
from apps.console.working import WorkedAdmin
from apps.core.console import amount_html, id_html, page_of, state_html, time_html
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.public import BulkOrder, StandingOrder

READ = "payments.read"
LINES_SHOWN = 50

navigation.entry("Money", "Bulk orders", "/console/bulk-orders/", permission=READ)
navigation.entry("Money", "Standing orders", "/console/standing-orders/", permission=READ)
place("blk", "/console/bulk-orders/{}/", READ)
place("sto", "/console/standing-orders/{}/", READ)
BulkOrder._meta.verbose_name_plural = "bulk orders"
StandingOrder._meta.verbose_name_plural = "standing orders"


def account_html(account_id: Any) -> str:
    """Name one of our accounts, with its number masked, as a link."""
    row = accounts.payment_account(account_id)
    return id_html(
        f"{row.label or 'account'} · {accounts.masked_iban(row.iban)}",
        url=page_of(row.public_id),
        short=False,
    )


class AcceptForm(ConfirmForm):
    """A confirmation that says which findings about the payees were on the page."""

    verification = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)


class BulkOrderAdmin(WorkedAdmin):
    """Orders of many payments, newest first."""

    permission, slug, id_prefix = READ, "bulk-orders", "blk"
    intro = "One order of many payouts from one account, approved once."
    list_display = ("short_id", "state_word", "payment_count", "total", "reference", "ordered")
    list_filter = ("state", "currency")
    search_fields = ("reference",)
    search_hint = "The client's reference"
    buttons = {
        "approve": (
            Action(
                "approve",
                "Approve all",
                "payments.approve",
                "You approve every payment of this order as the second person; they leave with the next file.",
                "Approved.",
                AcceptForm,
            ),
            lambda found, data: payments.ApproveBulkOrder(
                found.organisation_id, found.id, data["verification"]
            ),
        ),
        "decline": (
            Action(
                "decline",
                "Decline all",
                "payments.approve",
                "You decline the order as a whole; the money on hold is free again.",
                "Declined.",
                ReasonForm,
                danger=True,
            ),
            lambda found, data: payments.DeclineBulkOrder(found.organisation_id, found.id, data["reason"]),
        ),
        "cancel": (
            Action(
                "cancel",
                "Cancel order",
                "payments.write",
                "What has not gone into a file yet is taken back; its money is free again. The rest goes its way.",
                "Cancelled.",
                OptionalReasonForm,
                danger=True,
            ),
            lambda found, data: payments.CancelBulkOrder(found.organisation_id, found.id, data["reason"]),
        ),
    }

    @admin.display
    def total(self, row: BulkOrder) -> str:
        """Show the sum of all lines."""
        return amount_html(Money(row.total_minor, row.currency))

    @admin.display
    def ordered(self, row: BulkOrder) -> str:
        """Show when."""
        return time_html(row.created_at)

    def confirmed(self, found: BulkOrder) -> dict[str, Any]:
        """Repeat how many payments it is and of how much."""
        return {
            "order": public_id("blk", found.id),
            "payments": found.payment_count,
            "total": Money(found.total_minor, found.currency),
            "state": state_html(found.state),
            "ordered by": found.ordered_by,
        }

    def confirms(self, found: BulkOrder, action: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Show what was found of the payees; approving accepts exactly that."""
        if action != "approve" or not found.verifies_payees:
            return {}, {}
        results = payments.results_of(found)
        return {"payees": _found_of(results)}, {"verification": results.digest}

    def object_page(self, request: HttpRequest, found: BulkOrder) -> HttpResponse:
        """Show one order with its first lines; the list of payments has all of them."""
        text = public_id("blk", found.id)
        organisation = public_id("org", found.organisation_id)
        facts = {
            "id": id_html(text, short=False),
            "from account": account_html(found.account_id),
            "organisation": id_html(organisation, url=page_of(organisation)),
            "payments": found.payment_count,
            "total": Money(found.total_minor, found.currency),
            "payees": _found_of(payments.results_of(found)) if found.verifies_payees else "",
            "reference": found.reference,
            "ordered": found.created_at,
            "ordered by": found.ordered_by,
            "approved by": found.approved_by,
        }
        lines = payments.payments().filter(bulk_order_id=found.id).order_by("id")
        return self.page(
            request,
            "console/order.html",
            title=f"Bulk order of {found.payment_count} payment{'s' if found.payment_count != 1 else ''}",
            found=found,
            facts={name: value for name, value in facts.items() if value},
            actions=self.offered(request, found),
            lines=_masked(list(lines[:LINES_SHOWN])),
            lines_title="Lines",
            all_lines=f"/console/payments/?bulk_order_id={found.id}",
            counts=payments.count_of_order(found),
            timeline=timeline_of(text),
        )


def _found_of(results: payments.BulkResults) -> str:
    """Word what verifications have found: how many payees match, and how many do not or were not asked about."""
    words = {**results.counts, "not_checked": results.not_checked}
    return ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in words.items() if count)


class StandingOrderAdmin(WorkedAdmin):
    """Orders that pay by a schedule, newest first."""

    permission, slug, id_prefix = READ, "standing-orders", "sto"
    intro = "Orders that make a payment on each day of a schedule, or once on a later day."
    list_display = ("short_id", "kind", "state_word", "amount", "frequency", "next_day", "runs", "reference")
    list_filter = ("state", "kind", "frequency")
    search_fields = ("reference",)
    search_hint = "The client's reference"
    buttons = {
        "approve": (
            Action(
                "approve",
                "Approve",
                "payments.approve",
                "You approve this order as the second person; its payments are made as they fall due.",
                "Approved.",
            ),
            lambda found, data: payments.ApproveStandingOrder(found.organisation_id, found.id),
        ),
        "decline": (
            Action(
                "decline",
                "Decline",
                "payments.approve",
                "You decline this order; it makes no payment.",
                "Declined.",
                ReasonForm,
                danger=True,
            ),
            lambda found, data: payments.DeclineStandingOrder(
                found.organisation_id, found.id, data["reason"]
            ),
        ),
        "pause": (
            Action(
                "pause",
                "Pause",
                "payments.write",
                "No payment is made until the order is resumed; days that pass meanwhile are left out.",
                "Paused.",
            ),
            lambda found, data: payments.PauseStandingOrder(found.organisation_id, found.id),
        ),
        "resume": (
            Action(
                "resume",
                "Resume",
                "payments.write",
                "The order goes on with its next day.",
                "Resumed.",
            ),
            lambda found, data: payments.ResumeStandingOrder(found.organisation_id, found.id),
        ),
        "cancel": (
            Action(
                "cancel",
                "Cancel order",
                "payments.write",
                "No payment is made any more; those made before go their way.",
                "Cancelled.",
                OptionalReasonForm,
                danger=True,
            ),
            lambda found, data: payments.CancelStandingOrder(found.organisation_id, found.id, data["reason"]),
        ),
    }

    @admin.display
    def next_day(self, row: StandingOrder) -> str:
        """Show when it is due next."""
        return time_html(row.due_on)

    @admin.display
    def runs(self, row: StandingOrder) -> int:
        """Show how many of its days are dealt with."""
        return row.run_number

    @admin.display
    def amount(self, row: StandingOrder) -> str:
        """Show what each run pays."""
        return amount_html(row.amount)

    def confirmed(self, found: StandingOrder) -> dict[str, Any]:
        """Repeat what it pays, and when next."""
        return {
            "order": public_id("sto", found.id),
            "amount": found.amount,
            "next day": found.due_on,
            "state": state_html(found.state),
            "ordered by": found.ordered_by,
        }

    def object_page(self, request: HttpRequest, found: StandingOrder) -> HttpResponse:
        """Show one order with its schedule and the payments that it has made."""
        text = public_id("sto", found.id)
        made = payments.payments().filter(standing_order_id=found.id).order_by("-id")
        return self.page(
            request,
            "console/order.html",
            title=f"Standing order: {found.frequency.replace('_', ' ')} {found.kind}",
            found=found,
            facts=_standing_facts(found),
            actions=self.offered(request, found),
            lines=_masked(list(made[:LINES_SHOWN])),
            lines_title="Payments made",
            all_lines=f"/console/payments/?standing_order_id={found.id}",
            counts={},
            timeline=timeline_of(text),
        )


def _standing_facts(found: StandingOrder) -> dict[str, Any]:
    organisation = public_id("org", found.organisation_id)
    payee = payments.counterparty_of(found)
    facts = {
        "id": id_html(public_id("sto", found.id), short=False),
        "amount": found.amount,
        "from account": account_html(found.account_id),
        "to account": account_html(found.other_account_id) if found.other_account_id else "",
        "payee": masks.shown(payee.name, masks.masked_name) if payee else "",
        "payee's account": masks.shown(payee.account, masks.masked_account) if payee else "",
        "organisation": id_html(organisation, url=page_of(organisation)),
        "first day": found.first_on,
        "last day": found.last_on,
        "runs at most": found.run_count_max,
        "runs so far": str(found.run_number),
        "next day": found.due_on,
        "executed on": found.execute_on,
        "tried again": found.retry_at,
        "on closed days": found.day_rule.replace("_", " "),
        "reference": found.reference,
        "ordered": found.created_at,
        "ordered by": found.ordered_by,
        "approved by": found.approved_by,
    }
    return {name: value for name, value in facts.items() if value}


def _masked(rows: list[payments.Payment]) -> list[dict[str, Any]]:
    """Name the other end of each line, masked."""
    ends = payments.counterparties_of(rows)
    return [
        {
            "payment": row,
            "payee": masks.shown(ends[row.counterparty_id].name, masks.masked_name)
            if row.counterparty_id in ends
            else "",
        }
        for row in rows
    ]


SITE.register(BulkOrder, BulkOrderAdmin)
SITE.register(StandingOrder, StandingOrderAdmin)


def _waiting(model: type[BulkOrder | StandingOrder]) -> int:
    return model._default_manager.filter(state="ordered").count()


for _label, _slug, _model in (
    ("bulk orders to approve", "bulk-orders", BulkOrder),
    ("standing orders to approve", "standing-orders", StandingOrder),
):
    _address = f"/console/{_slug}/?state__exact=ordered"
    badges.BADGES.append(badges.Badge(_label, _address, "payments.approve", partial(_waiting, _model)))
