"""Days by accounts, one day of an account, and closing it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse

from apps.console import access
from apps.console.actions import Action, ConfirmForm, confirm, offered
from apps.console.frame import page
from apps.console.site import SITE
from apps.core import clock, tenancy
from apps.core.console import id_html
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.reconciliation.public import (
    BankAccount,
    CloseDay,
    DayClose,
    Reconcile,
    queries,
    report_html,
    report_pdf,
    workbench,
)

READ, WRITE = "reconciliation.read", "reconciliation.write"
DAYS, ACCOUNTS_MAX = 12, 100
_TONES = {"green": "good", "amber": "busy", "red": "bad"}
_NEED = {"red": 0, "amber": 1, "green": 2}
_BUCKETS = ("0-1", "2-3", "4-7", "8-30", "30+")


class CloseForm(ConfirmForm):
    """Closing a day, perhaps with breaks that somebody looks after."""

    accept_breaks = forms.BooleanField(
        required=False, label="Close although breaks are open; the evidence lists them"
    )


CLOSE = Action(
    "close",
    "Close the day",
    WRITE,
    "The evidence of this day is sealed: statements, files, totals, matches, breaks. A day closed before gets "
    "another version; none is ever changed.",
    "The day is closed and its evidence sealed.",
    CloseForm,
)
EVALUATE = Action(
    "evaluate",
    "Match again",
    WRITE,
    "Everything open on this account is matched again, as of today, and breaks that went away are resolved.",
    "The account was matched again.",
)
FILES: dict[str, tuple[str, Callable[[dict[str, Any], str], bytes]]] = {
    "html": (
        "text/html; charset=utf-8",
        lambda evidence, sha256: report_html(evidence, sha256=sha256).encode(),
    ),
    "pdf": ("application/pdf", lambda evidence, sha256: report_pdf(evidence, sha256=sha256)),
}


def account_name(account: BankAccount) -> str:
    """Name a bank account shortly: whose it is, the end of its number, its currency."""
    return f"{account.name} …{account.number[-4:]} {account.currency}"


def day_address(account_id: UUID, day: date) -> str:
    """Return the address of a day of an account."""
    return f"/console/reconciliation/{public_id('ban', account_id)}/{day.isoformat()}/"


@SITE.page("reconciliation/", name="reconciliation", permission=READ)
def days_page(request: HttpRequest) -> HttpResponse:
    """Show the latest days of every bank account: proven, closed, with breaks, or nothing yet."""
    today = clock.database_now().date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    cells = queries.matrix(first=days[0], last=today)
    followed = BankAccount.objects.order_by("-role", "number", "currency")
    told = [one for one in followed if one.id in cells or one.role == "settlement"]
    # A stable sort: where there is not room for all, those that need somebody come first.
    known = told if len(told) <= ACCOUNTS_MAX else sorted(told, key=lambda one: _calm(cells.get(one.id)))
    matrix = [
        (account_name(one), [_cell(cells.get(one.id, {}).get(day), one, day) for day in days])
        for one in known[:ACCOUNTS_MAX]
    ]
    by_age = queries.breaks_by_age(today)
    return page(
        request,
        "console/days.html",
        title="Reconciliation by day",
        days=days,
        matrix=matrix,
        left_out=len(known) - len(matrix),
        ages=[(name, sum(by_age.get(name, {}).values()), by_age.get(name, {})) for name in _BUCKETS],
        drift=list(workbench.drift_by_currency(today).values()),
    )


def _calm(cells: dict[date, queries.DayCell] | None) -> int:
    """Return how little an account needs anybody: 0 with a red day, 1 with an amber one, else 2."""
    return min((_NEED[cell.colour] for cell in (cells or {}).values()), default=2)


def _cell(cell: queries.DayCell | None, account: BankAccount, day: date) -> tuple[str, str, str]:
    if cell is None:
        return "", "", ""
    return cell.word, _TONES[cell.colour], day_address(account.id, day)


@SITE.page("reconciliation/<str:account_id>/<str:day>/", name="reconciliation_day", permission=READ)
def day_page(request: HttpRequest, account_id: str, day: str) -> HttpResponse:
    """Show what proves a day, what explains it, what is left, and how it was closed."""
    account, on = _of_address(account_id, day)
    told = workbench.day_of(account, on)
    currency = account.currency
    return page(
        request,
        "console/day.html",
        title=f"{account_name(account)}, {on:%d %b %Y}",
        told=told,
        statements=[(one, public_id("stm", one.id)) for one in told.statements],
        breaks=[
            (one, public_id("brk", one.id), Money(one.difference_minor, currency)) for one in told.breaks
        ],
        position=_position(told.position),
        actions=offered(request, [CLOSE, EVALUATE]),
        seal=_seal(told.close) if told.close else None,
        before=day_address(account.id, on - timedelta(days=1)),
        after=day_address(account.id, on + timedelta(days=1)),
    )


def _position(position: Any) -> dict[str, Any]:
    """Say what the bank and the books have, and what is between them; nothing for an observed account."""
    if position is None:
        return {}
    code = position.account.currency

    def money(minor: int | None) -> Money | None:
        return None if minor is None else Money(minor, code)

    return {
        "closing at the bank": money(position.closing_minor),
        "cash in the books": money(position.books_minor),
        "open lines": money(position.open_lines_minor),
        "drift": money(position.drift_minor),
        "in suspense": money(position.suspense_minor),
        "clearing out": money(position.clearing_out_minor),
        "clearing in": money(position.clearing_in_minor),
    }


def _seal(close: DayClose) -> dict[str, Any]:
    return {
        "version": close.version,
        "closed by": close.closed_by,
        "closed": close.closed_at,
        "sha-256": id_html(close.sha256, short=False),
    }


@SITE.page("reconciliation/<str:account_id>/<str:day>/evidence.<str:kind>", name="evidence", permission=READ)
def evidence(request: HttpRequest, account_id: str, day: str, kind: str) -> HttpResponse:
    """Hand out the sealed evidence: a page, a document, or the very bytes that were hashed."""
    account, on = _of_address(account_id, day)
    close = DayClose.objects.filter(bank_account=account, day=on).order_by("-version").first()
    if close is None or kind not in {*FILES, "json"}:
        raise Http404
    if kind == "json":
        content_type, body = "application/json", close.evidence.encode()
    else:
        content_type, write = FILES[kind]
        body = write(json.loads(close.evidence), close.sha256)
    name = f"day-{account.number}-{account.currency}-{on}-v{close.version}.{kind}"
    return HttpResponse(
        body,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@SITE.page("reconciliation/<str:account_id>/<str:day>/close/", name="close_day", permission=READ)
def close_page(request: HttpRequest, account_id: str, day: str) -> HttpResponse:
    """Confirm and close a day."""
    account, on = _seen(account_id, day)
    return confirm(
        request,
        CLOSE,
        back=day_address(account.id, on),
        facts={"account": account_name(account), "day": on},
        build=lambda data: CloseDay(account.organisation_id, account.id, on, data["accept_breaks"]),
    )


@SITE.page("reconciliation/<str:account_id>/<str:day>/evaluate/", name="evaluate", permission=READ)
def evaluate_page(request: HttpRequest, account_id: str, day: str) -> HttpResponse:
    """Confirm and match an account again."""
    account, on = _seen(account_id, day)
    return confirm(
        request,
        EVALUATE,
        back=day_address(account.id, on),
        facts={"account": account_name(account)},
        build=lambda data: Reconcile(None, account.id, clock.database_now().date()),
    )


def _seen(account_id: str, day: str) -> tuple[BankAccount, date]:
    """Look at an account on behalf of a form, in a read that is closed before any command runs."""
    with tenancy.scope(tenancy.PLATFORM):
        return _of_address(account_id, day)


def _of_address(account_id: str, day: str) -> tuple[BankAccount, date]:
    """Return the account and the day of an address. Raises Http404 for what is none."""
    try:
        key, on = parse_public_id("ban", account_id), date.fromisoformat(day)
    except (Refusal, ValueError):
        raise Http404 from None
    account = BankAccount.objects.filter(id=key).first()
    if account is None:
        raise Http404
    return account, on


def may_work(request: HttpRequest) -> bool:
    """Tell whether whoever asks may resolve breaks."""
    return access.may(request, WRITE)
