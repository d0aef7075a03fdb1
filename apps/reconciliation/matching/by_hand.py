"""Matches that people make: checked like those of the passes, and undone without a trace lost."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from apps.core.commands import Context
from apps.reconciliation.domain.words import (
    BreakState,
    ExpectationState,
    LineState,
    MatchState,
    Method,
    Reason,
    Resolution,
)
from apps.reconciliation.errors import NoSuchObject, NotOpen, SumsDiffer
from apps.reconciliation.lines import content_id
from apps.reconciliation.matching.record import break_event, close_break
from apps.reconciliation.models import BankAccount, Break, Expectation, Match, MatchItem, StatementLine

ITEMS_MAX = 500
"""A match by hand has at most so many lines and expectations together."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides of a match, locked and open."""

    account: BankAccount
    lines: list[StatementLine]
    expectations: list[Expectation]

    @property
    def bank_minor(self) -> int:
        """Sum the bank's side."""
        return sum(line.amount_minor for line in self.lines)

    @property
    def expected_minor(self) -> int:
        """Sum our side."""
        return sum(one.amount_minor for one in self.expectations)


def open_sides(account: BankAccount, line_ids: tuple[UUID, ...], expectation_ids: tuple[UUID, ...]) -> Sides:
    """Lock both sides. Raises NoSuchObject, NotOpen, SumsDiffer for currencies that are mixed.

    Needs the platform's scope and the lock on the account.
    """
    if not line_ids or not expectation_ids or len(line_ids) + len(expectation_ids) > ITEMS_MAX:
        raise SumsDiffer(items_max=ITEMS_MAX)
    lines = list(
        StatementLine.objects.select_for_update()
        .filter(bank_account_id=account.id, id__in=line_ids)
        .order_by("id")
    )
    ours = list(
        Expectation.objects.select_for_update()
        .filter(bank_account_id=account.id, id__in=expectation_ids)
        .order_by("id")
    )
    if len(lines) != len(set(line_ids)) or len(ours) != len(set(expectation_ids)):
        raise NoSuchObject(object="line or expectation")
    if any(line.state != LineState.OPEN for line in lines) or any(
        one.state != ExpectationState.OPEN for one in ours
    ):
        raise NotOpen
    if len({line.currency for line in lines} | {one.currency for one in ours}) != 1:
        raise SumsDiffer(reason="currencies")
    return Sides(account, lines, ours)


def make_match(sides: Sides, method: Method, context: Context, *, reason: str) -> Match:
    """Join both sides and resolve the breaks about them."""
    day = max(line.booking_date for line in sides.lines)
    keys = sorted([str(line.id) for line in sides.lines] + [str(one.id) for one in sides.expectations])
    content = hashlib.sha256(f"{method.value}{','.join(keys)}".encode()).digest()
    version = 1 + Match.objects.filter(content_hash=content).count()
    match = Match.objects.create(
        id=content_id(day, "match", content.hex(), str(version)),
        organisation_id=sides.account.organisation_id,
        bank_account_id=sides.account.id,
        method=method.value,
        state=MatchState.MADE.value,
        content_hash=content,
        version=version,
        currency=sides.lines[0].currency,
        bank_minor=sides.bank_minor,
        expected_minor=sides.expected_minor,
        day=day,
        made_by=str(context.actor),
        made_at=context.at,
        reason=reason[:200],
    )
    MatchItem.objects.bulk_create(
        [
            *(
                MatchItem(
                    organisation_id=match.organisation_id,
                    match_id=match.id,
                    line_id=line.id,
                    amount_minor=line.amount_minor,
                )
                for line in sides.lines
            ),
            *(
                MatchItem(
                    organisation_id=match.organisation_id,
                    match_id=match.id,
                    expectation_id=one.id,
                    expectation_organisation_id=one.organisation_id,
                    amount_minor=one.amount_minor,
                )
                for one in sides.expectations
            ),
        ]
    )
    StatementLine.objects.filter(id__in=[line.id for line in sides.lines]).update(
        state=LineState.MATCHED.value, match_id=match.id
    )
    Expectation.objects.filter(id__in=[one.id for one in sides.expectations]).update(
        state=ExpectationState.MATCHED.value, match_id=match.id
    )
    resolution = Resolution.WITHIN_TOLERANCE if method is Method.WITHIN_TOLERANCE else Resolution.MATCHED
    for row in breaks_about(match):
        close_break(row, resolution, context)
    return match


def breaks_about(match: Match) -> list[Break]:
    """Return the open breaks about a match's lines and expectations."""
    items = MatchItem.objects.filter(match_id=match.id)
    rows = Break.objects.filter(state=BreakState.OPEN.value)
    about_lines = rows.filter(line_id__in=items.filter(line__isnull=False).values("line_id"))
    about_ours = rows.filter(
        expectation_id__in=items.filter(expectation__isnull=False).values("expectation_id")
    )
    return sorted({*about_lines, *about_ours}, key=lambda row: row.id)


def forget_refused_effect(match: Match, context: Context) -> None:
    """Resolve the break that says that the match's effect was refused: it had it, or it is no match now."""
    for row in breaks_about(match):
        if row.reason == Reason.LATE_EFFECT:
            close_break(row, Resolution.EXPLAINED, context)


def take_back(match: Match, context: Context, *, reason: str) -> None:
    """Open both sides of a match again and say who took it back. The breaks it had resolved open again.

    Needs the platform's scope and the lock on the match. What it posted is the caller's to reverse.
    """
    match.state, match.undone_by, match.undone_at = MatchState.UNDONE.value, str(context.actor), context.at
    match.reason = reason[:200]
    match.save(update_fields=["state", "undone_by", "undone_at", "reason"])
    forget_refused_effect(match, context)
    StatementLine.objects.filter(match_id=match.id).update(state=LineState.OPEN.value, match_id=None)
    Expectation.objects.filter(match_id=match.id).update(state=ExpectationState.OPEN.value, match_id=None)
    Expectation.objects.filter(returned_match_id=match.id).update(returned_match_id=None)
    _reopen_breaks(match, context)


def _reopen_breaks(match: Match, context: Context) -> None:
    items = MatchItem.objects.filter(match_id=match.id, line__isnull=False).values("line_id")
    resolved = Break.objects.filter(line_id__in=items, state=BreakState.RESOLVED.value).order_by(
        "line_id", "-resolved_at"
    )
    seen: set[UUID] = set()
    for row in resolved:
        if row.line_id is None or row.line_id in seen:
            continue
        seen.add(row.line_id)
        row.state, row.resolution, row.resolved_at = BreakState.OPEN.value, "", None
        row.version += 1
        row.save(update_fields=["state", "resolution", "resolved_at", "version"])
        break_event(row, "reopened", context, match=str(match.id)).save(force_insert=True)
