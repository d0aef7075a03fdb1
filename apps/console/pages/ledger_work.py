"""What an accountant may do to the books by hand: each asks once more, most wait for a second person."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse

from apps.console.actions import Action, ConfirmForm, ReasonForm, confirm, offered
from apps.console.site import SITE
from apps.core import clock, tenancy
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.ledger import public as ledger

READ, WRITE = "ledger.read", "ledger.write"


class LimitsForm(ReasonForm):
    """Both limits of an account, as decimal text in its currency; an empty one is no limit."""

    floor = forms.CharField(max_length=30, required=False, label="Floor (lowest balance less holds)")
    ceiling = forms.CharField(max_length=30, required=False, label="Ceiling (highest balance)")


class ManualForm(ReasonForm):
    """A journal of one line."""

    debit = forms.IntegerField(min_value=1, label="Debit account (its number)")
    credit = forms.IntegerField(min_value=1, label="Credit account (its number)")
    amount = forms.CharField(max_length=30, label="Amount, such as 12.50")
    effective_date = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    reference = forms.CharField(max_length=64, required=False)


class PeriodForm(ConfirmForm):
    """The last day that is to be closed."""

    through = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))


FREEZE = Action(
    "freeze",
    "Freeze",
    WRITE,
    "Nothing moves on this account until it is unfrozen.",
    "Frozen.",
    ReasonForm,
    True,
)
UNFREEZE = Action(
    "unfreeze", "Unfreeze", WRITE, "Money may move on this account again.", "Unfrozen.", ReasonForm
)
LIMITS = Action("limits", "Set limits", WRITE, "Both limits are set as written here.", "Set.", LimitsForm)
REVERSE = Action(
    "reverse",
    "Reverse",
    WRITE,
    "A journal the other way round undoes what is left of this one.",
    "Reversed.",
    ReasonForm,
    True,
)
MANUAL = Action(
    "new",
    "Write a journal",
    WRITE,
    "Only for what no payment, statement or break explains.",
    "Posted.",
    ManualForm,
)
CLOSE = Action(
    "close",
    "Close a period",
    WRITE,
    "No effective date through this day can be written any more, and it never opens again.",
    "Closed.",
    PeriodForm,
    True,
)


def book_actions(request: HttpRequest) -> list[Action]:
    """Return what this person may do to an organisation's books."""
    return offered(request, [MANUAL, CLOSE])


def account_actions(request: HttpRequest, account: ledger.LedgerAccount) -> list[Action]:
    """Return what this person may do to an account now."""
    balance = ledger.balance(account.id)
    return [] if balance.closed else offered(request, [UNFREEZE if balance.frozen else FREEZE, LIMITS])


def journal_actions(request: HttpRequest, journal: ledger.Journal) -> list[Action]:
    """Return what this person may do about a journal; what reverses is not reversed itself."""
    moved = bool(journal.postings) and journal.reverses_seq is None
    return offered(request, [REVERSE]) if moved else []


@SITE.page("ledger/<int:account_id>/<slug:action>/", name="ledger_account_action", permission=READ)
def act_on_account(request: HttpRequest, account_id: int, action: str) -> HttpResponse:
    """Freeze, unfreeze or limit an account."""
    chosen = {one.name: one for one in (FREEZE, UNFREEZE, LIMITS)}.get(action)
    if chosen is None:
        raise Http404
    with tenancy.scope(tenancy.PLATFORM):
        account, balance = ledger.account(account_id), ledger.balance(account_id)
    facts = {
        "account": account.code,
        "posted": Money(balance.posted, account.currency),
        "held": Money(balance.held, account.currency),
    }
    return confirm(
        request,
        chosen,
        back=f"/console/ledger/{account_id}/",
        facts=facts,
        build=partial(_account_command, action, account),
    )


def _account_command(action: str, account: ledger.LedgerAccount, data: dict[str, Any]) -> Any:
    whose = account.organisation_id
    if action == "freeze":
        return ledger.FreezeAccount(whose, account.id, data["reason"])
    if action == "unfreeze":
        return ledger.UnfreezeAccount(whose, account.id, data["reason"])
    floor, ceiling = (_minor(data[name], account.currency) for name in ("floor", "ceiling"))
    return ledger.SetAccountLimits(whose, account.id, floor, ceiling, data["reason"])


def _minor(text: str, currency: str) -> int | None:
    """Read decimal text, perhaps negative, as minor units. Raises what Money raises."""
    tidy = text.strip()
    if not tidy:
        return None
    sign = -1 if tidy.startswith("-") else 1
    return sign * Money.parse(tidy.removeprefix("-"), currency).minor


@SITE.page("journals/<int:seq>/reverse/", name="journal_reverse", permission=READ)
def reverse(request: HttpRequest, seq: int) -> HttpResponse:
    """Ask for the reversal of a journal."""
    with tenancy.scope(tenancy.PLATFORM):
        journal = ledger.journal(seq)
    facts = {"journal": seq, "kind": journal.kind, "effective": journal.effective_date}
    return confirm(
        request,
        REVERSE,
        back=f"/console/journals/{seq}/",
        facts=facts,
        build=lambda data: ledger.ReverseJournal(journal.organisation_id, seq, data["reason"]),
    )


@SITE.page("ledger/of/<str:organisation>/new/", name="ledger_manual", permission=READ)
def write_journal(request: HttpRequest, organisation: str) -> HttpResponse:
    """Ask for a journal of one line, written by hand."""
    key = parse_public_id("org", organisation)
    return confirm(
        request,
        MANUAL,
        back=f"/console/ledger/?organisation={organisation}",
        facts={"books of": organisation},
        build=partial(_journal_command, key),
    )


def _journal_command(organisation_id: UUID, data: dict[str, Any]) -> ledger.PostManualJournal:
    """Build the command; the amount is in the currency of the debited account. Raises UnknownAccount."""
    with tenancy.scope(tenancy.PLATFORM):
        currency = ledger.account(data["debit"]).currency
    line = ledger.ManualPosting(data["debit"], data["credit"], Money.parse(data["amount"].strip(), currency))
    return ledger.PostManualJournal(
        organisation_id, (line,), data["effective_date"], data["reason"], data["reference"]
    )


@SITE.page("ledger/of/<str:organisation>/close/", name="ledger_close", permission=READ)
def close(request: HttpRequest, organisation: str) -> HttpResponse:
    """Ask for the close of a period."""
    key = parse_public_id("org", organisation)
    latest = clock.database_now().date() - timedelta(days=1)
    return confirm(
        request,
        CLOSE,
        back=f"/console/ledger/?organisation={organisation}",
        facts={"books of": public_id("org", key), "latest possible": latest},
        build=lambda data: ledger.ClosePeriod(key, data["through"]),
    )
