"""Payments: the list, and one payment with its timeline, its journals and what may be done now."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from apps.accounts import public as accounts
from apps.console import access, badges, books, charts, masks, navigation
from apps.console.actions import Action, OptionalReasonForm, ReasonForm, confirm, offered
from apps.console.pages.search import place
from apps.console.reveal import revealed_page
from apps.console.seen import seen
from apps.console.site import SITE
from apps.console.tiles import Panel, Tile, panel, tile
from apps.console.timeline import timeline_of
from apps.core import clock
from apps.core.console import ReadOnlyAdmin, amount_html, id_html, page_of, state_html, time_html
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments.public import (
    ApprovePayment,
    Attempt,
    CancelPayment,
    DeclinePayment,
    Dispute,
    Operation,
    Payment,
    ResolveCardReview,
    ResolveReview,
    count_by_state,
    counterparty_of,
    legal_events,
    money_moved,
    rate_text,
)

READ = "payments.read"
CHART_DAYS = 30

navigation.entry("Money", "Payments", "/console/payments/", permission=READ, keys="p")
place("pay", "/console/payments/{}/", READ)
Payment._meta.verbose_name_plural = "payments"

ACTIONS = {
    "approve": Action(
        "approve",
        "Approve",
        "payments.approve",
        "You approve this payment as the second person; it leaves with the next file.",
        "Approved.",
    ),
    "decline": Action(
        "decline",
        "Decline",
        "payments.approve",
        "You decline this payment; the money on hold is free again.",
        "Declined.",
        ReasonForm,
        danger=True,
    ),
    "cancel": Action(
        "cancel",
        "Cancel payment",
        "payments.write",
        "The payment is taken back before it leaves; the money on hold is free again.",
        "Cancelled.",
        OptionalReasonForm,
        danger=True,
    ),
    "confirm": Action(
        "confirm",
        "It left",
        "payments.resolve",
        "The bank has the payment as it was ordered: it counts as accepted.",
        "Decided: it left.",
        ReasonForm,
    ),
    "resume": Action(
        "resume",
        "Go on",
        "payments.resolve",
        "The card payment goes on where its attempts and operations stand; what is in doubt is asked about again.",
        "Decided: it goes on.",
        ReasonForm,
    ),
    "abandon": Action(
        "abandon",
        "Give up",
        "payments.resolve",
        "The card payment is cancelled, and what the processor may have authorised is voided.",
        "Decided: given up.",
        ReasonForm,
        danger=True,
    ),
    "deny": Action(
        "deny",
        "It did not leave",
        "payments.resolve",
        "The bank does not have the payment: it is rejected and its money goes back.",
        "Decided: it did not leave.",
        ReasonForm,
        danger=True,
    ),
}
COMMANDS: dict[str, Any] = {
    "approve": lambda found, data: ApprovePayment(found.organisation_id, found.id),
    "decline": lambda found, data: DeclinePayment(found.organisation_id, found.id, data["reason"]),
    "cancel": lambda found, data: CancelPayment(found.organisation_id, found.id, data["reason"]),
    "confirm": lambda found, data: ResolveReview(found.organisation_id, found.id, True, data["reason"]),
    "resume": lambda found, data: ResolveCardReview(
        found.organisation_id, found.id, "resume", data["reason"]
    ),
    "abandon": lambda found, data: ResolveCardReview(
        found.organisation_id, found.id, "abandon", data["reason"]
    ),
    "deny": lambda found, data: ResolveReview(found.organisation_id, found.id, False, data["reason"]),
}


class PaymentAdmin(ReadOnlyAdmin):
    """Payments, newest first."""

    permission, slug, id_prefix = READ, "payments", "pay"
    list_display = ("payment", "kind", "state_word", "amount", "end_to_end_id", "reference", "ordered")
    list_filter = ("state", "kind", "rail", "currency")
    search_fields = ("end_to_end_id",)
    search_hint = "End-to-end id or reference"

    @admin.display
    def payment(self, row: Payment) -> str:
        """Show the id."""
        shown = public_id("pay", row.id)
        return f"{shown[:8]}…{shown[-6:]}"

    @admin.display(description="state")
    def state_word(self, row: Payment) -> str:
        """Show the state."""
        return state_html(row.state)

    @admin.display
    def amount(self, row: Payment) -> str:
        """Show the amount."""
        return amount_html(row.amount)

    @admin.display
    def ordered(self, row: Payment) -> str:
        """Show when."""
        return time_html(row.created_at)

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Let other pages link to an account's, a batch's, an order's and a day's payments."""
        known = (
            "account_id",
            "batch_message_id",
            "bulk_order_id",
            "standing_order_id",
            "parent_id",
            "created_at__gte",
            "created_at__lt",
        )
        return lookup in known or super().lookup_allowed(lookup, value, request)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Find by a whole end-to-end id, else by the client's reference."""
        term = search_term.strip()
        if not term:
            return queryset, False
        exact = queryset.filter(end_to_end_id=term)
        return (exact if exact.exists() else queryset.filter(reference=term)), False

    def more_urls(self) -> list[Any]:
        """Add the confirmations and the reveal."""
        guard = self.admin_site.admin_view
        return [
            path("<str:object_id>/reveal/", guard(self.reveal)),
            path("<str:object_id>/<slug:action>/", guard(self.act)),
        ]

    def object_page(self, request: HttpRequest, found: Payment) -> HttpResponse:
        """Show one payment, masked."""
        return self._payment_page(request, found, revealed=False)

    def _payment_page(self, request: HttpRequest, found: Payment, *, revealed: bool) -> HttpResponse:
        text = public_id("pay", found.id)
        journals = ledger.journals_by_reference(text)
        return self.page(
            request,
            "console/payment.html",
            title=f"{found.kind.capitalize()}",
            payment=found,
            public_id=text,
            parties=_parties(found, revealed=revealed),
            facts=_facts(found),
            revealed=revealed,
            can_reveal=access.may(request, "personal_data.reveal") and not revealed,
            actions=offered(request, _legal(found)),
            card=_card(found),
            timeline=timeline_of(text),
            journals=journals,
            rows=books.journal_rows(journals),
            t_accounts=books.t_accounts([one for one in journals if one.postings]),
        )

    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show who is at the other end, after a reason that the audit log keeps."""
        found = seen(self, request, object_id)
        return revealed_page(
            request,
            object_type="payment",
            object_id=public_id("pay", found.id),
            back=self.address(found.id),
            show=lambda: self._payment_page(request, found, revealed=True),
        )

    def act(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Confirm and run one of the commands that are legal now."""
        if action in ("change", "delete", "history"):
            return self.refuse(request)
        found = seen(self, request, object_id)
        if action not in ACTIONS:
            raise Http404
        facts = {
            "payment": public_id("pay", found.id),
            "amount": found.amount,
            "state": state_html(found.state),
            "ordered by": found.ordered_by,
        }
        return confirm(
            request,
            ACTIONS[action],
            back=self.address(found.id),
            facts=facts,
            build=partial(COMMANDS[action], found),
        )


def _legal(found: Payment) -> list[Action]:
    return [ACTIONS[name] for name in legal_events(found) if name in ACTIONS]


def _parties(found: Payment, *, revealed: bool) -> dict[str, Any]:
    """Name both ends; what is personal is masked unless it is revealed."""
    ends = {"our account": _account(found.account_id)}
    if found.other_account_id:
        ends["credited account"] = _account(found.other_account_id)
    other = counterparty_of(found)
    if other is not None:
        name, account = (None, None) if revealed else (masks.masked_name, masks.masked_account)
        ends |= {
            "other end": masks.shown(other.name, name),
            "their account": masks.shown(other.account, account),
        }
    if found.remittance is not None:
        ends["remittance"] = masks.shown(found.remittance, None if revealed else lambda _: "•••")
    return ends


def _card(found: Payment) -> list[dict[str, Any]]:
    """Tell what was tried, captured, voided, refunded and disputed of a card payment, in the order of time."""
    if found.kind != "card":
        return []
    rows = [
        *(
            {"what": f"attempt {row.number}", "row": row}
            for row in Attempt.objects.filter(payment_id=found.id)
        ),
        *({"what": row.type, "row": row} for row in Operation.objects.filter(payment_id=found.id)),
        *(
            {"what": "dispute", "row": row, "url": page_of(public_id("dsp", row.id))}
            for row in Dispute.objects.filter(payment_id=found.id)
        ),
    ]
    return sorted(rows, key=lambda one: one["row"].created_at)


def _account(account_id: Any) -> str:
    row = accounts.payment_account(account_id)
    return id_html(
        f"{row.label or 'account'} · {accounts.masked_iban(row.iban)}",
        url=page_of(row.public_id),
        short=False,
    )


def _facts(found: Payment) -> dict[str, Any]:
    batch = found.batch_message_id
    facts = {
        "rail": found.rail.replace("_", " "),
        "left the account": found.source_amount or "",
        "exchange rate": f"{rate_text(found.exchange_rate)} {found.currency} for 1 {found.source_currency}"
        if found.exchange_rate
        else "",
        "end-to-end id": id_html(found.end_to_end_id, short=False),
        "reference": found.reference,
        "ordered": found.created_at,
        "changed": found.changed_at,
        "ordered by": found.ordered_by,
        "approved by": found.approved_by,
        "batch": id_html(batch, url=f"/console/payments/?batch_message_id={batch}", short=False)
        if batch
        else "",
        "refund of": id_html(
            public_id("pay", found.parent_id), url=page_of(public_id("pay", found.parent_id))
        )
        if found.parent_id
        else "",
        "provider": f"{found.provider} {found.provider_reference or ''}".strip(),
        "failure": found.failure_code,
        "payee verified": found.payee_result.replace("_", " "),
    }
    return {name: value for name, value in facts.items() if value}


SITE.register(Payment, PaymentAdmin)

TO_APPROVE = "/console/payments/?state__exact=ordered"


def to_approve() -> int:
    """Count the payments that wait for a second person."""
    return Payment.objects.filter(state="ordered").count()


badges.BADGES.append(badges.Badge("payments to approve", TO_APPROVE, "payments.approve", to_approve))

IN_REVIEW = "/console/payments/?state__exact=review"


def in_review() -> int:
    """Count the payments of which somebody must find out whether they left."""
    return Payment.objects.filter(state="review").count()


badges.BADGES.append(badges.Badge("payments in review", IN_REVIEW, "payments.resolve", in_review))


@tile(READ)
def moved_tile() -> Tile | None:
    """Tell how much settled today, by currency."""
    start = clock.database_now().replace(hour=0, minute=0, second=0, microsecond=0)
    sums: dict[str, list[int]] = {}
    for row in money_moved(start):
        known = sums.setdefault(row["currency"], [0, 0])
        known[0], known[1] = known[0] + row["minor"], known[1] + row["payments"]
    if not sums:
        return Tile("Settled today", "nothing yet", "/console/payments/?state__exact=settled")
    most = max(sums, key=lambda currency: sums[currency][1])
    others = ", ".join(str(Money(minor, code)) for code, (minor, _) in sorted(sums.items()) if code != most)
    count = sum(number for _, number in sums.values())
    return Tile(
        "Settled today",
        amount_html(Money(sums[most][0], most)),
        "/console/payments/?state__exact=settled",
        f"{others + ' · ' if others else ''}{count} payment{'s' if count != 1 else ''}",
    )


@tile(READ)
def to_approve_tile() -> Tile:
    """Tell how many payments wait for a second person."""
    count = to_approve()
    return Tile(
        "Payments to approve",
        count,
        TO_APPROVE,
        "over their organisation's limit",
        "busy" if count else "good",
    )


@panel(READ)
def moved_panel() -> Panel | None:
    """Draw what settled in the last thirty days, a chart for each currency."""
    today = clock.database_now().date()
    days = [today - timedelta(days=back) for back in range(CHART_DAYS - 1, -1, -1)]
    start = clock.database_now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
        days=CHART_DAYS - 1
    )
    sums: dict[str, dict[Any, int]] = {}
    for row in money_moved(start):
        by_day = sums.setdefault(row["currency"], {})
        by_day[row["day"]] = by_day.get(row["day"], 0) + row["minor"]
    if not sums:
        return None
    drawn = [
        (
            Money(sum(sums[code].values()), code),
            charts.bars([(day, Money(sums[code].get(day, 0), code)) for day in days]),
        )
        for code in sorted(sums)
    ]
    return Panel("console/moved.html", {"charts": drawn, "days": CHART_DAYS})


@panel(READ)
def states_panel() -> Panel | None:
    """Count the payments ordered in the last thirty days by the state they are in."""
    since = clock.database_now() - timedelta(days=CHART_DAYS)
    counts = sorted(count_by_state(since).items(), key=lambda item: -item[1])
    total = sum(number for _, number in counts)
    rows = [(state, number, charts.share(number, total)) for state, number in counts]
    return Panel("console/states.html", {"rows": rows, "total": total, "days": CHART_DAYS}) if rows else None
