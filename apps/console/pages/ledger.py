"""The books: chart of accounts, an account as a T-account, journals, the trial balance."""

from __future__ import annotations

import csv
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from apps.accounts import public as accounts
from apps.console import books, navigation
from apps.console.frame import page
from apps.console.pages import ledger_work
from apps.console.site import SITE
from apps.console.tiles import Tile, tile
from apps.core import clock
from apps.core.console import id_html, page_of
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.ledger import public as ledger

READ = "ledger.read"
ENTRIES, ACCOUNTS_MAX, JOURNALS = 50, 500, 50

navigation.entry("Books", "Accounts", "/console/ledger/", permission=READ, keys="l")
navigation.entry("Books", "Journals", "/console/journals/", permission=READ, keys="j")
navigation.entry("Books", "Trial balance", "/console/trial-balance/", permission=READ, keys="t")


class BadDate(Refusal):
    code = "bad_date"
    status = 400
    title = "A date is written as 2026-11-24."


def organisations() -> QuerySet[accounts.Organisation]:
    """Return the tenants, the operator first."""
    return accounts.Organisation.objects.order_by("-kind", "name")[:200]


@SITE.page("ledger/", name="ledger", permission=READ)
def chart_of_accounts(request: HttpRequest) -> HttpResponse:
    """List an organisation's accounts by kind, with what is posted, held and available."""
    tenants = list(organisations())
    chosen = _chosen(request, tenants)
    found = _all_accounts(chosen.id) if chosen else []
    balances = ledger.balances([one.id for one in found])
    groups = [
        (kind.value, [_row(one, balances[one.id]) for one in found if one.kind is kind])
        for kind in ledger.AccountKind
    ]
    return page(
        request,
        "console/ledger.html",
        title="Chart of accounts",
        actions=ledger_work.book_actions(request) if chosen else [],
        doing_at=f"/console/ledger/of/{public_id('org', chosen.id)}/" if chosen else "",
        tenants=tenants,
        chosen=chosen,
        groups=[group for group in groups if group[1]],
        cut=len(found) >= ACCOUNTS_MAX,
    )


def _all_accounts(organisation_id: UUID) -> list[ledger.LedgerAccount]:
    return ledger.accounts_of(organisation_id, limit=ACCOUNTS_MAX)


def _chosen(request: HttpRequest, tenants: list[Any]) -> Any:
    wanted = request.GET.get("organisation", "")
    if wanted:
        return accounts.organisation(parse_public_id("org", wanted))
    return tenants[0] if tenants else None


def _row(account: ledger.LedgerAccount, balance: ledger.Balance) -> dict[str, Any]:
    minor = books.natural(balance.posted, account.kind)
    return {
        "account": account,
        "balance": balance,
        "posted": Money(minor, account.currency),
        "held": Money(balance.held, account.currency),
        "available": Money(books.natural(balance.available, account.kind), account.currency),
    }


@SITE.page("ledger/<int:account_id>/", name="ledger_account", permission=READ)
def account_page(request: HttpRequest, account_id: int) -> HttpResponse:
    """Show an account as a T-account with a running balance, and its balance as of a day."""
    account = ledger.account(account_id)
    entries = ledger.statement(
        account_id, after=request.GET.get("after") or None, limit=ENTRIES + 1, newest_first=True
    )
    shown = entries[:ENTRIES]
    counters = _names({one.counter_id for one in shown})
    as_of = _date(request.GET.get("as_of", ""))
    return page(
        request,
        "console/ledger_account.html",
        title=account.name,
        actions=ledger_work.account_actions(request, account),
        account=account,
        row=_row(account, ledger.balance(account_id)),
        entries=[_entry(one, account) for one in shown],
        names=counters,
        holds=ledger.open_holds(account_id, limit=50),
        as_of=as_of,
        today=clock.database_now().date(),
        at_day=_at_day(account, as_of),
        holder=_holder(account_id),
        older=shown[-1].cursor if len(entries) > ENTRIES else "",
        paged=bool(request.GET.get("after")),
    )


def _entry(entry: ledger.Entry, account: ledger.LedgerAccount) -> dict[str, Any]:
    amount = Money(abs(entry.amount_minor), account.currency)
    return {
        "entry": entry,
        "debit": amount if entry.amount_minor < 0 else None,
        "credit": amount if entry.amount_minor > 0 else None,
        "after": Money(books.natural(entry.after_minor, account.kind), account.currency),
        "url": page_of(entry.reference) if "_" in entry.reference else "",
    }


def _at_day(account: ledger.LedgerAccount, day: date | None) -> Money | None:
    if day is None:
        return None
    return Money(
        books.natural(ledger.balance_at(account.id, effective_date=day), account.kind), account.currency
    )


def _holder(account_id: int) -> str:
    row = accounts.payment_account_by_ledger_account(account_id)
    return id_html(row.public_id, url=page_of(row.public_id), short=False) if row else ""


def _date(text: str) -> date | None:
    """Read a date from an address. Raises BadDate."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadDate from None


def _names(account_ids: set[int]) -> dict[int, str]:
    return {one: ledger.account(one).name for one in sorted(account_ids) if one}


@SITE.page("journals/", name="journals", permission=READ)
def journals_page(request: HttpRequest) -> HttpResponse:
    """List journals, newest first."""
    before = request.GET.get("before", "")
    found = ledger.latest_journals(before=int(before[:18]) if before.isdigit() else None, limit=JOURNALS + 1)
    shown = found[:JOURNALS]
    return page(
        request,
        "console/journals.html",
        title="Journals",
        rows=books.journal_rows(shown),
        older=shown[-1].seq if len(found) > JOURNALS else "",
        paged=bool(before),
    )


def _touched(journals: list[ledger.Journal]) -> set[int]:
    lines = [line for one in journals for line in one.postings]
    held = {one.hold_account_id for one in journals if one.hold_account_id}
    return {line.debit_id for line in lines} | {line.credit_id for line in lines} | held


@SITE.page("journals/<int:seq>/", name="journal", permission=READ)
def journal_page(request: HttpRequest, seq: int) -> HttpResponse:
    """Show one journal: both sides of every posting, and that they balance."""
    journal = ledger.journal(seq)
    facts = {
        "kind": journal.kind,
        "action": journal.action.name.lower(),
        "effective": journal.effective_date,
        "recorded": journal.recorded_at,
        "actor": journal.actor,
        "reference": id_html(journal.reference, url=page_of(journal.reference), short=False),
        "organisation": id_html(
            public_id("org", journal.organisation_id), url=page_of(public_id("org", journal.organisation_id))
        ),
        "reverses": format_html(
            '<a href="/console/journals/{}/">{}</a>', journal.reverses_seq, journal.reverses_seq
        )
        if journal.reverses_seq
        else "",
        "key": journal.key,
        "metadata": journal.metadata,
    }
    return page(
        request,
        "console/journal.html",
        title=f"Journal {seq}",
        actions=ledger_work.journal_actions(request, journal),
        journal=journal,
        names=_names(_touched([journal])),
        facts={name: value for name, value in facts.items() if value},
        balanced=books.balances_out(journal),
        t_accounts=books.t_accounts([journal]) if journal.postings else [],
    )


@SITE.page("trial-balance/", name="trial_balance", permission=READ)
def trial_balance_page(request: HttpRequest) -> HttpResponse:
    """Show every account that is not zero, debits beside credits, by currency; as CSV when asked."""
    tenants = list(organisations())
    chosen = _chosen(request, tenants) if request.GET.get("organisation") else None
    rows = ledger.trial_balance(organisation_id=chosen.id if chosen else None)
    if request.GET.get("format") == "csv":
        return _as_csv(rows)
    return page(
        request,
        "console/trial_balance.html",
        title="Trial balance",
        tenants=tenants,
        chosen=chosen,
        currencies=_by_currency(rows),
        checked=clock.database_now(),
    )


def _by_currency(rows: list[ledger.TrialBalanceRow]) -> list[dict[str, Any]]:
    found = []
    for currency in sorted({row.currency for row in rows}):
        mine = [row for row in rows if row.currency == currency]
        debit, credit = sum(row.debit_minor for row in mine), sum(row.credit_minor for row in mine)
        found.append(
            {"currency": currency, "rows": mine, "debit": debit, "credit": credit, "even": debit == credit}
        )
    return found


def _as_csv(rows: list[ledger.TrialBalanceRow]) -> HttpResponse:
    """Write the rows for a spreadsheet; no text of ours can be taken for a formula."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="trial-balance.csv"'
    writer = csv.writer(response)
    writer.writerow(["organisation", "code", "name", "kind", "currency", "debit", "credit"])
    for row in rows:
        sides = (Money(minor, row.currency).decimal_text() for minor in (row.debit_minor, row.credit_minor))
        texts = (public_id("org", row.organisation_id), row.code, row.name, row.kind.value, row.currency)
        writer.writerow([*(_no_formula(text) for text in texts), *sides])
    return response


def _no_formula(text: str) -> str:
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


@tile(READ)
def trial_balance_tile() -> Tile:
    """Tell whether debits equal credits in every currency, and when that was checked."""
    currencies = _by_currency(ledger.trial_balance())
    uneven = [one["currency"] for one in currencies if not one["even"]]
    now = clock.database_now()
    return Tile(
        "Trial balance",
        "off: " + ", ".join(uneven) if uneven else "debits = credits",
        "/console/trial-balance/",
        f"{len(currencies)} currenc{'y' if len(currencies) == 1 else 'ies'}, checked {now:%H:%M:%S} UTC",
        "bad" if uneven else "good",
    )
