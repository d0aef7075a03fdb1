"""What the workbench shows: a day of an account, a run, the open items that could be matched by hand.

Every function needs the platform's scope, which staff pages have.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum

from apps.core.errors import Refusal
from apps.core.money import Money
from apps.reconciliation.domain.continuity import Problem
from apps.reconciliation.domain.words import (
    AccountRole,
    BreakState,
    ExpectationState,
    LineState,
    MatchState,
    Method,
    Reason,
)
from apps.reconciliation.models import (
    BankAccount,
    Break,
    DayClose,
    Expectation,
    Match,
    MatchItem,
    Proposal,
    ReconRun,
    Statement,
    StatementLine,
)
from apps.reconciliation.queries import CashPosition, cash_position, chain_problems, proposals_for

Side = TypeVar("Side", StatementLine, Expectation)

LISTED_MAX = 40
_NEAR = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Total:
    """So many of something, and what they sum up to in minor units."""

    name: str
    count: int
    minor: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one bank account: what proves it, what explains it, what is left, how it was closed."""

    account: BankAccount
    day: date
    statements: tuple[Statement, ...]
    matches: tuple[Total, ...]
    open_lines: Total
    breaks: tuple[Break, ...]
    problems: tuple[Problem, ...]
    position: CashPosition | None
    close: DayClose | None


def day_of(account: BankAccount, day: date) -> Day:
    """Gather a day."""
    breaks = Break.objects.filter(bank_account_id=account.id, day=day, state=BreakState.OPEN.value)
    return Day(
        account,
        day,
        tuple(
            Statement.objects.filter(bank_account_id=account.id, day=day, kind="statement")
            .select_related("file")
            .order_by("sequence", "page", "id")
        ),
        matches_by_method(Match.objects.filter(bank_account_id=account.id, day=day)),
        _open_lines(account, booking_date=day),
        tuple(breaks.select_related("bank_account").order_by("id")[:LISTED_MAX]),
        tuple(one for one in chain_problems(account) if one.day == day),
        cash_position(account, day) if account.role == AccountRole.SETTLEMENT.value else None,
        DayClose.objects.filter(bank_account_id=account.id, day=day).order_by("-version").first(),
    )


def matches_by_method(matches: QuerySet[Match]) -> tuple[Total, ...]:
    """Count and sum matches that were not taken back, by their method."""
    rows = matches.exclude(state=MatchState.UNDONE.value).values("method")
    counted = rows.annotate(n=Count("id"), minor=Sum("bank_minor")).order_by("method")
    return tuple(Total(row["method"], row["n"], row["minor"]) for row in counted)


def _open_lines(account: BankAccount, **where: date) -> Total:
    rows = StatementLine.objects.filter(bank_account_id=account.id, state=LineState.OPEN.value, **where)
    told = rows.aggregate(n=Count("id"), minor=Sum("amount_minor"))
    return Total("open lines", told["n"], told["minor"] or 0)


@dataclass(frozen=True, slots=True)
class RunPage:
    """What a run matched, and where its account stands now."""

    run: ReconRun
    matches: tuple[Total, ...]
    open_lines: Total
    expected: Total
    breaks: tuple[Total, ...]
    position: CashPosition | None


def run_page(run: ReconRun) -> RunPage:
    """Gather a run. Its matches are those made at its moment."""
    account = run.bank_account
    expected = Expectation.objects.filter(bank_account_id=account.id, state=ExpectationState.OPEN.value)
    told = expected.aggregate(n=Count("id"), minor=Sum("amount_minor"))
    breaks = Break.objects.filter(bank_account_id=account.id, state=BreakState.OPEN.value).values("reason")
    by_reason = breaks.annotate(n=Count("id"), minor=Sum("difference_minor")).order_by("reason")
    return RunPage(
        run,
        matches_by_method(Match.objects.filter(bank_account_id=account.id, made_at=run.at)),
        _open_lines(account),
        Total("expected", told["n"], told["minor"] or 0),
        tuple(Total(row["reason"], row["n"], row["minor"]) for row in by_reason),
        cash_position(account, run.as_of) if account.role == AccountRole.SETTLEMENT.value else None,
    )


def drift_by_currency(as_of: date) -> dict[str, Money]:
    """Sum up, by currency, what neither matches nor open lines explain between bank and books."""
    sums: dict[str, int] = {}
    for account in BankAccount.objects.filter(role=AccountRole.SETTLEMENT.value).order_by("id"):
        position = cash_position(account, as_of)
        if position.drift_minor is not None:
            sums[account.currency] = sums.get(account.currency, 0) + position.drift_minor
    return {currency: Money(minor, currency) for currency, minor in sorted(sums.items())}


@dataclass(frozen=True, slots=True)
class Choice:
    """The open items of both sides that a break could be matched with, the likeliest first."""

    lines: tuple[StatementLine, ...]
    expectations: tuple[tuple[Expectation, Proposal | None], ...]


def choice_for(row: Break, text: str = "") -> Choice:
    """List what is open on a break's account. `text` narrows it to an amount or a part of a reference."""
    proposals = {one.expectation_id: one for one in proposals_for(row)}
    lines = StatementLine.objects.filter(bank_account_id=row.bank_account_id, state=LineState.OPEN.value)
    ours = Expectation.objects.filter(bank_account_id=row.bank_account_id, state=ExpectationState.OPEN.value)
    first_lines = [row.line] if row.line is not None and row.line.state == LineState.OPEN else []
    first_ours = [one.expectation for one in proposals.values()]
    if row.expectation is not None and row.expectation.state == ExpectationState.OPEN:
        first_ours.append(row.expectation)
    narrowed = _narrowed(text, row.currency)
    near = (row.day - _NEAR, row.day + _NEAR)
    more_lines = lines.filter(narrowed) if text else lines.filter(booking_date__range=near)
    more_ours = ours.filter(narrowed) if text else ours.filter(due_date__range=near)
    chosen_lines = _some(first_lines, more_lines.order_by("-booking_date", "id"))
    chosen_ours = _some(first_ours, more_ours.order_by("-due_date", "id"))
    return Choice(tuple(chosen_lines), tuple((one, proposals.get(one.id)) for one in chosen_ours))


def _narrowed(text: str, currency: str) -> Q:
    where = Q(end_to_end__icontains=text) | Q(creditor_reference__icontains=text)
    try:
        minor = Money.parse(text.replace("−", "-"), currency).minor
    except Refusal:
        return where
    return where | Q(amount_minor__in=(minor, -minor))


def _some(first: list[Side], rest: QuerySet[Side]) -> list[Side]:
    known: dict[UUID, Side] = {one.id: one for one in first}
    for one in rest[:LISTED_MAX]:
        known.setdefault(one.id, one)
    return list(known.values())[:LISTED_MAX]


@dataclass(frozen=True, slots=True)
class MatchPage:
    """A match with everything it holds."""

    match: Match
    lines: tuple[StatementLine, ...]
    expectations: tuple[Expectation, ...]


def match_page(match: Match) -> MatchPage:
    """Gather a match; an undone one still knows what it held."""
    items = MatchItem.objects.filter(match_id=match.id)
    lines = StatementLine.objects.filter(id__in=items.values("line_id"))
    ours = Expectation.objects.filter(id__in=items.values("expectation_id"))
    return MatchPage(
        match,
        tuple(lines.order_by("booking_date", "id")[: LISTED_MAX * 10]),
        tuple(ours.order_by("due_date", "id")[: LISTED_MAX * 10]),
    )


def may_be_undone(match: Match) -> bool:
    """Tell whether a match can be taken back: one that settled payments is not, only a return does that."""
    if match.state == MatchState.UNDONE or match.method == Method.PAYIN:
        return False
    if match.state == MatchState.MADE:
        return True
    settled = MatchItem.objects.filter(match_id=match.id, expectation__payment_id__isnull=False)
    return not (match.journals and settled.exists())


def match_behind(row: Break) -> Match | None:
    """Return the match whose effect was refused, for a break that says so."""
    if row.reason != Reason.LATE_EFFECT or row.line is None or row.line.match_id is None:
        return None
    return Match.objects.filter(id=row.line.match_id).first()
