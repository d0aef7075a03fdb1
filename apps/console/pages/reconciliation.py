"""Reconciliation: statements, runs, breaks with both sides beside each other, days by accounts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse

from apps.console import badges, navigation
from apps.console.frame import page
from apps.console.pages.search import place
from apps.console.site import SITE
from apps.console.tiles import Panel, Tile, panel, tile
from apps.console.timeline import timeline_of
from apps.core import clock
from apps.core.console import ReadOnlyAdmin, amount_html, id_html, page_of, state_html, time_html
from apps.core.ids import public_id
from apps.core.money import Money
from apps.reconciliation.public import (
    BankAccount,
    Break,
    BreakEvent,
    DayClose,
    ReconRun,
    Statement,
    StatementLine,
)

READ = "reconciliation.read"
OPEN_BREAKS = "/console/breaks/?state__exact=open"
DAYS, LINES_MAX = 12, 500
_BREAK_TONES = {"open": "bad", "resolved": "good"}

navigation.entry("Reconciliation", "Days", "/console/reconciliation/", permission=READ, keys="r")
navigation.entry("Reconciliation", "Breaks", "/console/breaks/", permission=READ, keys="b")
navigation.entry("Reconciliation", "Statements", "/console/statements/", permission=READ)
navigation.entry("Reconciliation", "Runs", "/console/runs/", permission=READ)
for prefix, address in (("brk", "breaks"), ("stm", "statements"), ("run", "runs")):
    place(prefix, f"/console/{address}/{{}}/", READ)
Break._meta.verbose_name_plural = "breaks"
Statement._meta.verbose_name_plural = "statements"
ReconRun._meta.verbose_name_plural = "reconciliation runs"


def _number(account: BankAccount) -> str:
    return f"{account.name or account.number[-8:]} {account.currency}"


def _money(minor: int | None, currency: str) -> Money | None:
    return None if minor is None else Money(minor, currency)


class StatementAdmin(ReadOnlyAdmin):
    """What banks sent."""

    permission, slug, id_prefix = READ, "statements", "stm"
    intro = "As the bank wrote them. Proven: opening + booked entries = closing, in one currency."
    list_display = ("statement", "account", "day_of", "kind", "proof_word", "line_count", "total", "imported")
    list_filter = ("proof", "kind", "currency")
    list_select_related = ("bank_account",)

    @admin.display
    def statement(self, row: Statement) -> str:
        """Show the bank's id."""
        return row.bank_id or "–"

    @admin.display
    def account(self, row: Statement) -> str:
        """Show the bank account."""
        return _number(row.bank_account)

    @admin.display(description="day")
    def day_of(self, row: Statement) -> str:
        """Show the day."""
        return time_html(row.day)

    @admin.display(description="proof")
    def proof_word(self, row: Statement) -> str:
        """Show whether the balances foot."""
        return state_html(row.proof)

    @admin.display(description="closing")
    def total(self, row: Statement) -> str:
        """Show the closing balance."""
        return amount_html(_money(row.closing_minor, row.currency))

    @admin.display
    def imported(self, row: Statement) -> str:
        """Show when."""
        return time_html(row.imported_at)

    def object_page(self, request: HttpRequest, found: Statement) -> HttpResponse:
        """Show a statement's footing and its lines; names and texts stay sealed."""
        facts = {
            "id": id_html(public_id("stm", found.id), short=False),
            "account": _number(found.bank_account),
            "day": found.day,
            "proof": state_html(found.proof),
            "because": found.proof_reasons or "",
            "opening": _money(found.opening_minor, found.currency),
            "credits": _money(found.credit_minor, found.currency),
            "debits": _money(found.debit_minor, found.currency),
            "closing": _money(found.closing_minor, found.currency),
            "entries": found.entry_count,
            "lines known before": found.known_count,
            "file": found.file.name,
            "sha-256": found.file.sha256,
            "imported": found.imported_at,
        }
        lines = StatementLine.objects.filter(statement=found).order_by("position", "part")[:LINES_MAX]
        return self.page(
            request,
            "console/statement.html",
            title=f"Statement {found.bank_id}",
            facts=facts,
            lines=[(line, _money(line.amount_minor, line.currency)) for line in lines],
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the account and the file with the statement."""
        return super().get_queryset(request).select_related("bank_account", "file")


class RunAdmin(ReadOnlyAdmin):
    """Runs of the matching, newest first."""

    permission, slug, id_prefix = READ, "runs", "run"
    list_display = ("when", "account", "as_of_day", "matched_count", "break_count", "expected_count")
    list_select_related = ("bank_account",)

    @admin.display(description="run")
    def when(self, row: ReconRun) -> str:
        """Show when."""
        return time_html(row.at)

    @admin.display
    def account(self, row: ReconRun) -> str:
        """Show the bank account."""
        return _number(row.bank_account)

    @admin.display(description="as of")
    def as_of_day(self, row: ReconRun) -> str:
        """Show the day."""
        return time_html(row.as_of)

    @admin.display(description="matched")
    def matched_count(self, row: ReconRun) -> int:
        """Sum the matches."""
        return _sum(row.matched)

    @admin.display(description="breaks")
    def break_count(self, row: ReconRun) -> int:
        """Sum the open breaks."""
        return _sum(row.breaks)

    def object_page(self, request: HttpRequest, found: ReconRun) -> HttpResponse:
        """Show what a run found, by method and reason."""
        facts = {
            "account": _number(found.bank_account),
            "as of": found.as_of,
            "at": found.at,
            "made by": found.made_by,
            "matched by method": found.matched,
            "open breaks by reason": found.breaks,
            "expected, not due yet": found.expected_count,
            "took": f"{found.seconds:.2f} s",
        }
        return self.page(
            request, "console/object.html", title=f"Run of {found.at:%Y-%m-%d %H:%M} UTC", facts=facts
        )


def _sum(counts: Any) -> int:
    return (
        sum(number for number in counts.values() if isinstance(number, int))
        if isinstance(counts, dict)
        else 0
    )


class BreakAdmin(ReadOnlyAdmin):
    """Differences between the bank and us."""

    permission, slug, id_prefix = READ, "breaks", "brk"
    intro = "A break is a difference with a reason. What is expected and not yet due is none."
    list_display = ("found", "reason_word", "state_word", "difference", "account", "since", "owner")
    list_filter = ("state", "reason", "currency")
    list_select_related = ("bank_account",)

    @admin.display(description="break")
    def found(self, row: Break) -> str:
        """Show the id."""
        text = public_id("brk", row.id)
        return f"{text[:8]}…{text[-6:]}"

    @admin.display(description="reason")
    def reason_word(self, row: Break) -> str:
        """Show why."""
        return row.reason.replace("_", " ")

    @admin.display(description="state")
    def state_word(self, row: Break) -> str:
        """Show whether it is open."""
        return state_html(row.state, tone=_BREAK_TONES.get(row.state, ""))

    @admin.display
    def difference(self, row: Break) -> str:
        """Show the bank's amount less ours."""
        return amount_html(Money(row.difference_minor, row.currency))

    @admin.display
    def account(self, row: Break) -> str:
        """Show the bank account."""
        return _number(row.bank_account)

    @admin.display
    def since(self, row: Break) -> str:
        """Show since when."""
        return time_html(row.day)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read both sides with the break."""
        return super().get_queryset(request).select_related("bank_account", "line", "expectation")

    def object_page(self, request: HttpRequest, found: Break) -> HttpResponse:
        """Show our side and the bank's beside each other, and mark what differs."""
        bank, ours = _bank_side(found), _our_side(found)
        both = bool(bank) and bool(ours)
        differing = {name for name in bank if both and name in ours and str(bank[name]) != str(ours[name])}
        history = BreakEvent.objects.filter(break_of=found).order_by("version")[:200]
        return self.page(
            request,
            "console/break.html",
            title=f"Break: {found.reason.replace('_', ' ')}",
            found=found,
            bank=bank,
            ours=ours,
            differing=differing,
            difference=Money(found.difference_minor, found.currency),
            history=history,
            tone=_BREAK_TONES.get(found.state, ""),
            age_days=(clock.database_now().date() - found.day).days,
            account=_number(found.bank_account),
            timeline=timeline_of(public_id("brk", found.id)),
        )


def _bank_side(found: Break) -> dict[str, Any]:
    line = found.line
    if line is None:
        return {}
    statement = public_id("stm", line.statement_id)
    return {
        "amount": Money(line.amount_minor, line.currency),
        "date": line.booking_date,
        "end-to-end id": line.end_to_end,
        "batch": line.batch_id,
        "creditor reference": line.creditor_reference,
        "bank's reference": line.bank_reference,
        "return reason": line.return_reason,
        "statement": id_html(statement, url=page_of(statement)),
    }


def _our_side(found: Break) -> dict[str, Any]:
    expected = found.expectation
    if expected is None:
        return {}
    payment = public_id("pay", expected.payment_id) if expected.payment_id else ""
    return {
        "amount": Money(expected.amount_minor, expected.currency),
        "date": expected.due_date,
        "end-to-end id": expected.end_to_end,
        "batch": expected.batch_id,
        "creditor reference": expected.creditor_reference,
        "kind": expected.kind,
        "window": f"{expected.window_from} to {expected.window_to}",
        "payment": id_html(payment, url=page_of(payment)),
    }


SITE.register(Statement, StatementAdmin)
SITE.register(ReconRun, RunAdmin)
SITE.register(Break, BreakAdmin)


@SITE.page("reconciliation/", name="reconciliation", permission=READ)
def days_page(request: HttpRequest) -> HttpResponse:
    """Show the latest days of every bank account: proven, closed, with breaks, or nothing yet."""
    today = clock.database_now().date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    known = list(BankAccount.objects.order_by("-role", "number", "currency")[:100])
    cells = _cells(days[0])
    matrix = [(_number(one), [cells.get((one.id, day), ("", "")) for day in days]) for one in known]
    return page(request, "console/days.html", title="Reconciliation by day", days=days, matrix=matrix)


def _cells(since: date) -> dict[Any, tuple[str, str]]:
    """Say of each account and day the strongest thing that is true, with its tone."""
    cells: dict[Any, tuple[str, str]] = {}
    for key, day, proof in Statement.objects.filter(kind="statement", day__gte=since).values_list(
        "bank_account", "day", "proof"
    ):
        if cells.get((key, day), ("proven", ""))[0] == "proven":
            cells[key, day] = (proof, "good" if proof == "proven" else "busy")
    for key, day, _ in DayClose.objects.filter(day__gte=since).values_list("bank_account", "day", "version"):
        cells[key, day] = ("closed", "good")
    counted = (
        Break.objects.filter(state="open", day__gte=since)
        .values_list("bank_account", "day")
        .annotate(n=Count("id"))
    )
    for key, day, number in counted:
        cells[key, day] = (f"{number} break{'s' if number != 1 else ''}", "bad")
    return cells


def open_breaks() -> int:
    """Count the open breaks."""
    return Break.objects.filter(state="open").count()


badges.BADGES.append(badges.Badge("breaks", OPEN_BREAKS, READ, open_breaks))


@tile(READ)
def breaks_tile() -> Tile:
    """Tell how many breaks are open, and since when."""
    oldest = Break.objects.filter(state="open").order_by("day", "id").first()
    more = f"oldest of {oldest.day:%d %b}" if oldest else "bank and books agree"
    return Tile("Open breaks", open_breaks(), OPEN_BREAKS, more, "bad" if oldest else "good")


@panel(READ)
def oldest_breaks_panel() -> Panel | None:
    """List the oldest open breaks."""
    rows = Break.objects.filter(state="open").select_related("bank_account").order_by("day", "id")[:6]
    shown = [
        (row, public_id("brk", row.id), _number(row.bank_account), Money(row.difference_minor, row.currency))
        for row in rows
    ]
    return Panel("console/oldest_breaks.html", {"rows": shown}) if shown else None
