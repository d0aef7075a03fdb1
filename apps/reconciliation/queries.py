"""Reading reconciliation. Every function needs the platform's scope, which staff pages have."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.reconciliation.domain.breaks import age_bucket
from apps.reconciliation.domain.continuity import Link, Problem, check_chain
from apps.reconciliation.domain.words import (
    CARD_PAYOUT,
    BreakState,
    LineState,
    MatchState,
    Method,
    Proof,
)
from apps.reconciliation.importing.pages import LAST, MORE, are_pages_of_one
from apps.reconciliation.models import (
    BankAccount,
    Break,
    BreakEvent,
    DayClose,
    Expectation,
    Match,
    MatchItem,
    Proposal,
    ReconRun,
    Statement,
    StatementLine,
)


def bank_accounts() -> QuerySet[BankAccount]:
    """Return the bank accounts we follow."""
    return BankAccount.objects.order_by("role", "number", "currency")


def open_breaks(*, bank_account_id: UUID | None = None, reason: str = "", owner: str = "") -> QuerySet[Break]:
    """Return open breaks, oldest first, with their line and expectation."""
    rows = Break.objects.filter(state=BreakState.OPEN.value).select_related(
        "line", "expectation", "bank_account"
    )
    if bank_account_id is not None:
        rows = rows.filter(bank_account_id=bank_account_id)
    if reason:
        rows = rows.filter(reason=reason)
    if owner:
        rows = rows.filter(owner=owner)
    return rows.order_by("day", "id")


def count_open_breaks() -> int:
    """Count open breaks of every account."""
    return Break.objects.filter(state=BreakState.OPEN.value).count()


def breaks_as_of(as_of: date) -> QuerySet[Break]:
    """Return the breaks that were open at the end of a day, oldest first."""
    after = datetime.combine(as_of + timedelta(days=1), time(), UTC)
    still = Q(state=BreakState.OPEN.value) | Q(resolved_at__gte=after)
    return Break.objects.filter(still, day__lte=as_of).select_related("bank_account").order_by("day", "id")


def breaks_by_age(today: date) -> dict[str, dict[str, int]]:
    """Count the breaks open at the end of a day by age bucket and reason."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for day, reason in breaks_as_of(today).values_list("day", "reason"):
        counts[age_bucket((today - day).days)][reason] += 1
    return {bucket: dict(reasons) for bucket, reasons in counts.items()}


@dataclass(frozen=True, slots=True)
class BreakPage:
    """A break with both sides, which fields differ, what was done, and what the run proposes."""

    row: Break
    line: StatementLine | None
    expectation: Expectation | None
    differs: tuple[str, ...]
    proposals: tuple[Proposal, ...]
    history: tuple[BreakEvent, ...]


_COMPARED = (
    "amount_minor",
    "currency",
    "end_to_end",
    "creditor_reference",
    "counterparty",
    "bank_account_id",
)


def break_page(break_id: UUID) -> BreakPage:
    """Return everything about a break. Raises NotFound."""
    row = Break.objects.select_related("line", "expectation", "bank_account").filter(id=break_id).first()
    if row is None:
        raise NotFound(object="break", id=public_id("brk", break_id))
    line, ours = row.line, row.expectation
    differs = (
        tuple(name for name in _COMPARED if getattr(line, name) != getattr(ours, name))
        if line and ours
        else ()
    )
    return BreakPage(
        row,
        line,
        ours,
        differs,
        proposals_for(row),
        tuple(BreakEvent.objects.filter(break_of_id=row.id).order_by("version")),
    )


def proposals_for(row: Break) -> tuple[Proposal, ...]:
    """Return what the latest run proposes for a break's line and is still open, best first."""
    if row.line_id is None or row.state != BreakState.OPEN:
        return ()
    rows = Proposal.objects.filter(line_id=row.line_id, expectation__state="open")
    return tuple(rows.select_related("expectation").order_by("-score", "expectation_id"))


def best_proposals(rows: list[Break]) -> dict[UUID | None, Proposal]:
    """Return the best open proposal for the line of each break that has one."""
    lines = [row.line_id for row in rows if row.line_id is not None]
    found = Proposal.objects.filter(line_id__in=lines, expectation__state="open")
    best: dict[UUID | None, Proposal] = {}
    for one in found.order_by("-score", "expectation_id"):
        best.setdefault(one.line_id, one)
    return best


def runs(*, bank_account_id: UUID | None = None) -> QuerySet[ReconRun]:
    """Return runs, newest first."""
    rows = ReconRun.objects.select_related("bank_account").order_by("-at", "-id")
    return rows.filter(bank_account_id=bank_account_id) if bank_account_id else rows


def statements(*, bank_account_id: UUID | None = None) -> QuerySet[Statement]:
    """Return statements, newest first."""
    rows = Statement.objects.select_related("bank_account", "file").order_by("-day", "-id")
    return rows.filter(bank_account_id=bank_account_id) if bank_account_id else rows


def lines_of_statement(statement_id: UUID) -> QuerySet[StatementLine]:
    """Return a statement's lines as the bank lists them."""
    return StatementLine.objects.filter(statement_id=statement_id).order_by("position", "part")


def matches_of_payment(payment_id: UUID) -> list[Match]:
    """Return the matches that a payment is in, undone ones too."""
    items = MatchItem.objects.filter(expectation__payment_id=payment_id)
    return list(Match.objects.filter(id__in=items.values("match_id")).order_by("made_at", "id"))


def chain_problems(account: BankAccount) -> list[Problem]:
    """Check that the final statements of an account follow one another."""
    rows = list(Statement.objects.filter(bank_account_id=account.id, kind="statement").order_by("day", "id"))
    lasts = [row for row in rows if row.paging == LAST]
    return check_chain([_link(row, lasts) for row in rows if row.page == 1])


def _link(row: Statement, lasts: list[Statement]) -> Link:
    """Make a statement's link of the chain; one of several pages closes with its last."""
    end = row if row.paging != MORE else next((one for one in lasts if are_pages_of_one(row, one)), row)
    return Link(
        public_id("stm", row.id), row.bank_id, end.day, row.sequence, row.opening_minor, end.closing_minor
    )


@dataclass(frozen=True, slots=True)
class DayCell:
    """One day of one account in the matrix: green, amber or red, and the word beside the colour."""

    colour: str
    word: str
    open_lines: int
    breaks: int


def matrix(*, first: date, last: date) -> dict[UUID, dict[date, DayCell]]:
    """Return the state of each account on each day that has a statement, a break or a close."""
    days: dict[tuple[UUID, date], dict[str, Any]] = defaultdict(dict)
    for account, day, proof in Statement.objects.filter(
        day__range=(first, last), kind="statement"
    ).values_list("bank_account_id", "day", "proof"):
        cell = days[account, day]
        cell["proof"] = Proof.UNPROVEN if Proof.UNPROVEN in (proof, cell.get("proof")) else proof
    for account, day, count in (
        Break.objects.filter(state=BreakState.OPEN.value, day__range=(first, last))
        .values_list("bank_account_id", "day")
        .annotate(Count("id"))
    ):
        days[account, day]["breaks"] = count
    for account, day, count in (
        StatementLine.objects.filter(state=LineState.OPEN.value, booking_date__range=(first, last))
        .values_list("bank_account_id", "booking_date")
        .annotate(Count("id"))
    ):
        days[account, day]["open"] = count
    for account, day in DayClose.objects.filter(day__range=(first, last)).values_list(
        "bank_account_id", "day"
    ):
        days[account, day]["closed"] = True
    table: dict[UUID, dict[date, DayCell]] = defaultdict(dict)
    for (account, day), facts in sorted(days.items()):
        table[account][day] = _cell(facts)
    return dict(table)


def _cell(facts: dict[str, Any]) -> DayCell:
    breaks, open_lines = facts.get("breaks", 0), facts.get("open", 0)
    if breaks:
        colour, word = "red", f"{breaks} break" + ("s" if breaks > 1 else "")
    elif facts.get("proof") == Proof.UNPROVEN:
        colour, word = "red", "unproven"
    elif open_lines:
        colour, word = "amber", f"{open_lines} open"
    elif "proof" not in facts:
        colour, word = "amber", "no statement"
    else:
        colour, word = "green", "closed" if facts.get("closed") else "matched"
    return DayCell(colour, word, open_lines, breaks)


@dataclass(frozen=True, slots=True)
class CashPosition:
    """Cash in the books against the bank's closing balance, in minor units.

    `drift_minor` is what open lines do not explain: zero when every cent is accounted for. `suspense_minor`
    and the others are what still stands on accounts that should return to zero (debits positive).
    """

    account: BankAccount
    day: date | None
    closing_minor: int | None
    books_minor: int
    open_lines_minor: int
    drift_minor: int | None
    suspense_minor: int
    clearing_out_minor: int
    clearing_in_minor: int
    receivable_minor: int


def cash_position(account: BankAccount, as_of: date) -> CashPosition:
    """Compare the books with the latest proven statement that is not after a day.

    The books are taken effective through that statement's day. Raises NotFound for an account that the
    books do not mirror.
    """
    route = next((r for r in payments.settlement_accounts() if r.id == account.settlement_account_id), None)
    if route is None:
        raise NotFound(object="settlement_account")
    rows = Statement.objects.filter(
        bank_account_id=account.id, kind="statement", day__lte=as_of, closing_minor__isnull=False
    )
    latest = max(rows, key=lambda r: (r.day, len(r.sequence), r.sequence), default=None)
    day = latest.day if latest else as_of
    still_open = (
        StatementLine.objects.filter(
            bank_account_id=account.id, state=LineState.OPEN.value, booking_date__lte=day
        ).aggregate(total=Sum("amount_minor"))["total"]
        or 0
    )

    def debit(account_id: int) -> int:
        return -ledger.balance_at(account_id, effective_date=day)

    books, closing = debit(route.cash_id), latest.closing_minor if latest else None
    return CashPosition(
        account,
        latest.day if latest else None,
        closing,
        books,
        still_open,
        None if closing is None else closing - still_open - books,
        debit(route.suspense_id),
        debit(route.clearing_out_id),
        debit(route.clearing_in_id),
        debit(route.receivable_id),
    )


_IN_SUSPENSE = ("payment", "refund", "dispute")
"""Components of a settlement that no payment of ours explains: they are booked to suspense."""


@dataclass(frozen=True, slots=True)
class SuspenseItem:
    """Money that a match left in suspense; signed as the bank booked it."""

    match_id: UUID
    day: date
    minor: int


def suspense_items(account: BankAccount, as_of: date) -> list[SuspenseItem]:
    """List what matches put into suspense and nobody has taken back, oldest first."""
    applied = Match.objects.filter(bank_account_id=account.id, state=MatchState.APPLIED.value, day__lte=as_of)
    whole = applied.filter(method=Method.SUSPENSE.value).values_list("id", "day", "bank_minor")
    forced = applied.filter(method=Method.FORCED.value).values_list(
        "id", "day", F("bank_minor") - F("expected_minor")
    )
    parts = (
        MatchItem.objects.filter(
            match__in=applied, expectation__kind__in=_IN_SUSPENSE, expectation__payment_id__isnull=True
        )
        .values("match_id", "match__day")
        .annotate(minor=Sum("amount_minor"))
        .values_list("match_id", "match__day", "minor")
    )
    items = [SuspenseItem(*row) for row in (*whole, *forced, *parts) if row[2]]
    return sorted(items, key=lambda item: (item.day, item.match_id))


def closes(*, bank_account_id: UUID) -> QuerySet[DayClose]:
    """Return the closed days of an account, newest first."""
    return DayClose.objects.filter(bank_account_id=bank_account_id).order_by("-day", "-version")


LISTED_MAX = 1_000


SETTLED_WITHIN_DAYS = 7
"""A capture or refund that no settlement report shows for longer is overdue."""

_IN_DOUBT = ("sent", "unknown", "pending")


def processor_report(as_of: date) -> dict[str, Any]:
    """Compare what processors did for us with what they report and pay.

    Names collected payments they owe us still, what they settle that is none of ours, captures and refunds
    that no report shows, operations whose outcome is in doubt for a day, payouts that did not arrive.
    """
    ended = datetime.combine(as_of + timedelta(days=1), time(), UTC)
    operations = payments.Operation.objects.filter(type__in=("capture", "refund")).order_by("id")
    unsettled = operations.filter(
        state="succeeded", changed_at__lt=ended - timedelta(days=SETTLED_WITHIN_DAYS)
    )
    in_doubt = operations.filter(state__in=_IN_DOUBT, changed_at__lt=ended - timedelta(days=1))
    late = Expectation.objects.filter(kind=CARD_PAYOUT, state="open", window_to__lt=as_of)
    owed = Expectation.objects.filter(kind="payin", state="open", payment_id__isnull=False)
    overdue = owed.filter(window_to__lt=as_of).order_by("due_date", "id")[:LISTED_MAX]
    unknown = Expectation.objects.filter(kind="payment", payment_id__isnull=True).exclude(state="cancelled")
    return {
        "waiting_count": owed.filter(window_to__gte=as_of).count(),
        "overdue": [
            {"payment": public_id("pay", one.payment_id), "due": one.due_date.isoformat(), **_amount(one)}
            for one in overdue
            if one.payment_id is not None
        ],
        "unknown": [
            {"group": one.group_reference, **_amount(one)}
            for one in unknown.order_by("due_date", "id")[:LISTED_MAX]
        ],
        "unsettled": [_operation(one) for one in unsettled[:LISTED_MAX]],
        "in_doubt": [_operation(one) for one in in_doubt[:LISTED_MAX]],
        "payouts_missing": [
            {"payout": one.group_reference, "due": one.due_date.isoformat(), **_amount(one)}
            for one in late.order_by("due_date", "id")[:LISTED_MAX]
        ],
    }


def _operation(one: payments.Operation) -> dict[str, str]:
    return {
        "operation": public_id("opr", one.pk),
        "payment": public_id("pay", one.payment_id),
        "type": one.type,
        "state": one.state,
        "since": one.changed_at.date().isoformat(),
        "amount": Money(one.amount_minor, one.currency).decimal_text(),
        "currency": one.currency,
    }


def _amount(one: Expectation) -> dict[str, str]:
    return {"amount": Money(one.amount_minor, one.currency).decimal_text(), "currency": one.currency}
