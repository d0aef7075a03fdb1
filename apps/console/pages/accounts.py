"""Payment accounts: whose, where in the books, how much, and their latest payments."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse

from apps.accounts import public as accounts
from apps.accounts.public import PaymentAccount
from apps.console import access, navigation
from apps.console.actions import Action, ConfirmForm
from apps.console.pages.search import place
from apps.console.site import SITE
from apps.console.timeline import timeline_of
from apps.console.working import WorkedAdmin
from apps.core.console import amount_html, id_html, page_of, state_html, time_html
from apps.core.errors import Refusal
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments

READ = "accounts.read"
TONES = {"open": "good", "blocked": "bad", "closed": "off"}

navigation.entry("Customers", "Payment accounts", "/console/accounts/", permission=READ, keys="i")
place("acc", "/console/accounts/{}/", READ)
PaymentAccount._meta.verbose_name_plural = "payment accounts"


class BlockForm(ConfirmForm):
    """A confirmation that asks why an account is blocked."""

    reason = forms.ChoiceField(
        choices=[(word, word.replace("_", " ")) for word in sorted(accounts.BLOCK_REASONS)]
    )


class AccountAdmin(WorkedAdmin):
    """Where customers' money is held."""

    permission, slug, id_prefix = READ, "accounts", "acc"
    list_display = ("account", "label", "currency", "balance", "state_word", "customer", "opened")
    list_filter = ("status", "currency")
    search_fields = ("iban",)
    search_hint = "IBAN"
    buttons = {
        "block": (
            Action(
                "block",
                "Block",
                "accounts.write",
                "Nothing is paid from this account any more; money may still come in. What is approved and has "
                "not left yet is withheld. A file that is closed already goes its way.",
                "Blocked.",
                BlockForm,
                danger=True,
            ),
            lambda found, data: accounts.BlockPaymentAccount(found.organisation_id, found.id, data["reason"]),
        ),
        "unblock": (
            Action(
                "unblock",
                "Lift the block",
                "accounts.write",
                "It can be paid from this account again; what was withheld goes its way.",
                "The block is lifted.",
            ),
            lambda found, data: accounts.UnblockPaymentAccount(found.organisation_id, found.id),
        ),
        "close": (
            Action(
                "close",
                "Close account",
                "accounts.write",
                "The account is closed for good. It must be empty, and nothing may be under way on it.",
                "Closed.",
                danger=True,
            ),
            lambda found, data: accounts.ClosePaymentAccount(found.organisation_id, found.id),
        ),
    }

    def legal(self, found: PaymentAccount) -> list[str]:
        """Say what the account's status allows; what stands against closing is on the page."""
        return {"open": ["block", "close"], "blocked": ["unblock"]}.get(found.status, [])

    def confirmed(self, found: PaymentAccount) -> dict[str, Any]:
        """Repeat which account it is."""
        return {
            "account": found.public_id,
            "IBAN": accounts.masked_iban(found.iban),
            "status": state_html(found.status, tone=TONES[found.status]),
            "block": found.block_reason.replace("_", " "),
        }

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read the balances of the whole page at once."""
        found = super().get_changelist_instance(request)
        known = ledger.balances([row.ledger_account_id for row in found.result_list])
        for row in found.result_list:
            row.held_money = Money(known[row.ledger_account_id].posted, row.currency)
        return found

    @admin.display
    def account(self, row: PaymentAccount) -> str:
        """Show the IBAN, masked."""
        return accounts.masked_iban(row.iban)

    @admin.display
    def balance(self, row: Any) -> str:
        """Show what is posted."""
        return amount_html(row.held_money)

    @admin.display(description="state")
    def state_word(self, row: PaymentAccount) -> str:
        """Show the state."""
        return state_html(row.status, tone=TONES[row.status])

    @admin.display
    def customer(self, row: PaymentAccount) -> str:
        """Link to the holder."""
        holder = public_id("pty", row.party_id) if row.party_id else ""
        return id_html(holder, url=page_of(holder))

    @admin.display
    def opened(self, row: PaymentAccount) -> str:
        """Show since when."""
        return time_html(row.opened_at)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Find by the whole IBAN, however it is spaced."""
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.filter(iban=accounts.clean_iban(search_term)), False
        except Refusal:
            return queryset.none(), False

    def object_page(self, request: HttpRequest, found: PaymentAccount) -> HttpResponse:
        """Show one account with its balance and latest payments."""
        balance = ledger.balance(found.ledger_account_id)
        still = accounts.under_way(found.id)
        holder = public_id("pty", found.party_id) if found.party_id else ""
        organisation = public_id("org", found.organisation_id)
        facts = {
            "id": id_html(found.public_id, short=False),
            "IBAN": accounts.masked_iban(found.iban),
            "holder": id_html(holder, url=page_of(holder), short=False)
            if holder
            else "the organisation itself",
            "organisation": id_html(organisation, url=page_of(organisation)),
            "posted": Money(balance.posted, found.currency),
            "held": Money(balance.held, found.currency),
            "available": Money(balance.available, found.currency),
            "opened": found.opened_at,
            "block": found.block_reason.replace("_", " "),
            "under way": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in still.items()),
            "closed": found.closed_at,
        }
        latest = (
            payments.payments()
            .filter(Q(account_id=found.id) | Q(other_account_id=found.id))
            .order_by("-id")[:20]
        )
        return self.page(
            request,
            "console/account.html",
            title=found.label or "Payment account",
            found=found,
            latest=latest,
            facts={name: value for name, value in facts.items() if value},
            timeline=timeline_of(found.public_id),
            books=access.may(request, "ledger.read"),
            actions=self.offered(request, found),
        )


SITE.register(PaymentAccount, AccountAdmin)
