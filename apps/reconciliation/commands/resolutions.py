"""What people do about breaks. Each leaves a version.

Where a resolution means a booking, it makes a match; the booking follows, once, when the event that
tells of the match is taken, or when the next run begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core import tenancy
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid
from apps.core.ids import public_id
from apps.reconciliation.commands.effects import reverse_own_journals
from apps.reconciliation.commands.reconcile import lock_account
from apps.reconciliation.domain.words import (
    BreakState,
    ExpectationState,
    MatchState,
    Method,
    Resolution,
)
from apps.reconciliation.errors import BreakIsResolved, NoSuchObject, SumsDiffer
from apps.reconciliation.events import BreakResolved, MatchMade
from apps.reconciliation.matching.bookings import book_line
from apps.reconciliation.matching.by_hand import make_match, open_sides, take_back
from apps.reconciliation.matching.record import break_event, close_break
from apps.reconciliation.models import Break, Expectation, Match, MatchItem, StatementLine

TOLERANCE_MINOR_MAX = 100
"""The most that one person may accept as a difference, in minor units; it is booked as a bank charge."""

_WRITE = "reconciliation.write"
_ALONE = {
    Method.SUSPENSE: Resolution.SUSPENSE,
    Method.CHARGE: Resolution.CHARGE,
    Method.WRITE_OFF: Resolution.WRITTEN_OFF,
}


class PaymentsSettled(Conflict):
    code = "payments_settled"
    title = "The match settled payments; only a return takes that back."


class NotWrittenOff(Conflict):
    code = "not_written_off"
    title = "Nothing that was expected is written off in this break."


@dataclass(frozen=True)
class AssignBreak(Command):
    """Say who looks after a break; an empty owner means nobody does."""

    break_id: UUID
    owner: str


@dataclass(frozen=True)
class NoteBreak(Command):
    """Add a note to a break. It is kept sealed."""

    break_id: UUID
    note: str


@handles(AssignBreak, name="reconciliation.assign_break", version=1, permission=_WRITE)
def assign_break(command: AssignBreak, context: Context) -> dict[str, Any]:
    """Change the owner and leave a version."""
    with tenancy.scope(tenancy.PLATFORM):
        row = _open_break(command.break_id, command.organisation_id)
        row.owner, row.version = command.owner[:120], row.version + 1
        row.save(update_fields=["owner", "version"])
        break_event(row, "assigned", context, owner=row.owner).save(force_insert=True)
    context.note("break", public_id("brk", row.id), owner=row.owner)
    return break_data(row)


@handles(NoteBreak, name="reconciliation.note_break", version=1, permission=_WRITE)
def note_break(command: NoteBreak, context: Context) -> dict[str, Any]:
    """Keep the note with its author and time. Raises Invalid for an empty or overlong one."""
    text = command.note.strip()
    if not text or len(text) > 2_000:
        raise Invalid(field="note", length_max=2_000)
    with tenancy.scope(tenancy.PLATFORM):
        row = _open_break(command.break_id, command.organisation_id)
        row.version += 1
        row.save(update_fields=["version"])
        break_event(row, "noted", context, note=text).save(force_insert=True)
    context.note("break", public_id("brk", row.id))
    return break_data(row)


@dataclass(frozen=True)
class BookBreakToSuspense(Command):
    """Book a line that nothing explains between cash and suspense, until somebody explains it."""

    break_id: UUID


@dataclass(frozen=True)
class BookBreakAsCharge(Command):
    """Book a line as what the bank charged."""

    break_id: UUID


@dataclass(frozen=True)
class WriteOffBreak(Command):
    """Give up a line (posted as an expense) or an expectation (no longer waited for). Takes two persons."""

    break_id: UUID
    reason: str

    def target(self) -> str:
        """Allow one waiting request per break."""
        return str(self.break_id)


@handles(BookBreakToSuspense, name="reconciliation.book_to_suspense", version=1, permission=_WRITE)
def book_break_to_suspense(command: BookBreakToSuspense, context: Context) -> dict[str, Any]:
    """Make the match of the line alone and resolve the break. Raises BreakIsResolved, NotOpen."""
    return _book(command.break_id, command.organisation_id, Method.SUSPENSE, context)


@handles(BookBreakAsCharge, name="reconciliation.book_as_charge", version=1, permission=_WRITE)
def book_break_as_charge(command: BookBreakAsCharge, context: Context) -> dict[str, Any]:
    """Make the match of the line alone and resolve the break. Raises BreakIsResolved, NotOpen."""
    return _book(command.break_id, command.organisation_id, Method.CHARGE, context)


@handles(WriteOffBreak, name="reconciliation.write_off", version=1, permission=_WRITE, four_eyes=True)
def write_off_break(command: WriteOffBreak, context: Context) -> dict[str, Any]:
    """Post the loss of a line, or stop waiting for an expectation. Raises BreakIsResolved, NotOpen."""
    with tenancy.scope(tenancy.PLATFORM):
        row = _open_break(command.break_id, command.organisation_id)
    if row.line_id is not None:
        return _book(command.break_id, command.organisation_id, Method.WRITE_OFF, context, command.reason)
    with tenancy.scope(tenancy.PLATFORM):
        assert row.expectation_id is not None, "a break is about a line or an expectation"
        Expectation.objects.filter(id=row.expectation_id, state=ExpectationState.OPEN.value).update(
            state=ExpectationState.WRITTEN_OFF.value
        )
        close_break(row, Resolution.WRITTEN_OFF, context, note=command.reason[:2_000] or None)
    return _resolved(row, context)


@dataclass(frozen=True)
class ReopenBreak(Command):
    """Wait again for an expectation that was written off; its break is open again."""

    break_id: UUID
    reason: str


@handles(ReopenBreak, name="reconciliation.reopen_break", version=1, permission=_WRITE)
def reopen_break(command: ReopenBreak, context: Context) -> dict[str, Any]:
    """Take a written-off expectation back. Raises NoSuchObject, NotWrittenOff.

    What was booked for a line is taken back with its match (UndoMatch), which reopens the break too.
    """
    with tenancy.scope(tenancy.PLATFORM):
        row = Break.objects.select_for_update().filter(id=command.break_id).first()
        if row is None or row.organisation_id != command.organisation_id:
            raise NoSuchObject(object="break")
        changed = 0
        if (
            row.resolution == Resolution.WRITTEN_OFF
            and row.line_id is None
            and row.expectation_id is not None
        ):
            changed = Expectation.objects.filter(
                id=row.expectation_id, state=ExpectationState.WRITTEN_OFF.value
            ).update(state=ExpectationState.OPEN.value)
        if not changed:
            raise NotWrittenOff(state=row.state)
        row.state, row.resolution, row.resolved_at = BreakState.OPEN.value, "", None
        row.version += 1
        row.save(update_fields=["state", "resolution", "resolved_at", "version"])
        break_event(row, "reopened", context, note=command.reason[:2_000] or None).save(force_insert=True)
    context.note("break", public_id("brk", row.id))
    return break_data(row)


def _book(
    break_id: UUID, organisation_id: UUID | None, method: Method, context: Context, reason: str = ""
) -> dict[str, Any]:
    with tenancy.scope(tenancy.PLATFORM):
        row = _open_break(break_id, organisation_id)
        lock_account(row.bank_account_id)
        if row.line_id is None:
            raise Invalid(field="break_id", reason="no line of the bank is in this break")
        line = StatementLine.objects.select_for_update().get(id=row.line_id)
        match = book_line(line, method, actor=context.actor, at=context.at, reason=reason)
        close_break(row, _ALONE[method], context)
    _tell_of(match, context)
    return _resolved(row, context)


@dataclass(frozen=True)
class MatchByHand(Command):
    """Say that lines and expectations are the same money; their sums agree to the cent."""

    bank_account_id: UUID
    line_ids: tuple[UUID, ...]
    expectation_ids: tuple[UUID, ...]
    reason: str = ""


@dataclass(frozen=True)
class AcceptWithinTolerance(Command):
    """Match although the sums differ by a little; the difference is booked as a bank charge."""

    bank_account_id: UUID
    line_ids: tuple[UUID, ...]
    expectation_ids: tuple[UUID, ...]
    reason: str = ""


@dataclass(frozen=True)
class ForceMatch(Command):
    """Match although the sums differ; the difference is booked to suspense. Takes two persons."""

    bank_account_id: UUID
    line_ids: tuple[UUID, ...]
    expectation_ids: tuple[UUID, ...]
    reason: str

    def target(self) -> str:
        """Allow one waiting request per first line."""
        return str(self.line_ids[0]) if self.line_ids else ""


@handles(MatchByHand, name="reconciliation.match_by_hand", version=1, permission=_WRITE)
def match_by_hand(command: MatchByHand, context: Context) -> dict[str, Any]:
    """Make the match. Raises SumsDiffer, NotOpen, NoSuchObject."""
    return _by_hand(command, Method.MANUAL, 0, context)


@handles(AcceptWithinTolerance, name="reconciliation.accept_within_tolerance", version=1, permission=_WRITE)
def accept_within_tolerance(command: AcceptWithinTolerance, context: Context) -> dict[str, Any]:
    """Make the match if the difference is small enough. Raises SumsDiffer, NotOpen, NoSuchObject."""
    return _by_hand(command, Method.WITHIN_TOLERANCE, TOLERANCE_MINOR_MAX, context)


@handles(ForceMatch, name="reconciliation.force_match", version=1, permission=_WRITE, four_eyes=True)
def force_match(command: ForceMatch, context: Context) -> dict[str, Any]:
    """Make the match whatever the difference. Raises NotOpen, NoSuchObject."""
    return _by_hand(command, Method.FORCED, None, context)


def _by_hand(
    command: MatchByHand | AcceptWithinTolerance | ForceMatch,
    method: Method,
    tolerance_minor: int | None,
    context: Context,
) -> dict[str, Any]:
    with tenancy.scope(tenancy.PLATFORM):
        account = lock_account(command.bank_account_id)
        if account.organisation_id != command.organisation_id:
            raise NoSuchObject(object="bank_account")
        sides = open_sides(account, command.line_ids, command.expectation_ids)
        difference = sides.bank_minor - sides.expected_minor
        if tolerance_minor is not None and abs(difference) > tolerance_minor:
            raise SumsDiffer(difference_minor=difference, tolerance_minor=tolerance_minor)
        match = make_match(sides, method, context, reason=command.reason)
    _tell_of(match, context)
    context.note("match", public_id("mat", match.id), method=method.value, difference_minor=difference)
    return {"match_id": public_id("mat", match.id), "method": method.value, "difference_minor": difference}


@dataclass(frozen=True)
class UndoMatch(Command):
    """Take a match back: both sides are open again, and what it posted itself is reversed."""

    match_id: UUID
    reason: str


@handles(UndoMatch, name="reconciliation.undo_match", version=1, permission=_WRITE)
def undo_match(command: UndoMatch, context: Context) -> dict[str, Any]:
    """Reverse and reopen. Raises PaymentsSettled, NotOpen for a match undone before, NoSuchObject."""
    with tenancy.scope(tenancy.PLATFORM):
        match = Match.objects.filter(id=command.match_id).first()
        if match is None or match.organisation_id != command.organisation_id:
            raise NoSuchObject(object="match")
        lock_account(match.bank_account_id)
        match = Match.objects.select_for_update().get(id=match.id)
        if match.state == MatchState.UNDONE:
            raise Conflict(reason="undone before")
        reversals: list[int] = []
        if match.state == MatchState.APPLIED:
            if _settled_payments(match):
                raise PaymentsSettled(match_id=public_id("mat", match.id))
            reversals = reverse_own_journals(match, context, effective=match.day)
        take_back(match, context, reason=command.reason)
    context.note("match", public_id("mat", match.id), reversals=reversals)
    return {"match_id": public_id("mat", match.id), "state": match.state, "reversals": reversals}


def _settled_payments(match: Match) -> bool:
    if match.method == Method.PAYIN:
        return True
    expected = MatchItem.objects.filter(match_id=match.id, expectation__payment_id__isnull=False)
    return bool(match.journals) and expected.exists()


def _tell_of(match: Match, context: Context) -> None:
    """Let the effect follow by a command of its own: it may be about payments of any organisation."""
    context.emit(
        MatchMade(
            match_id=public_id("mat", match.id),
            bank_account_id=public_id("ban", match.bank_account_id),
            method=match.method,
        )
    )


def _open_break(break_id: UUID, organisation_id: UUID | None) -> Break:
    """Lock an open break of the organisation. Raises NoSuchObject, BreakIsResolved."""
    row = Break.objects.select_for_update().filter(id=break_id).first()
    if row is None or row.organisation_id != organisation_id:
        raise NoSuchObject(object="break")
    if row.state != BreakState.OPEN:
        raise BreakIsResolved(resolution=row.resolution)
    return row


def _resolved(row: Break, context: Context) -> dict[str, Any]:
    context.emit(BreakResolved(break_id=public_id("brk", row.id), resolution=row.resolution))
    context.note("break", public_id("brk", row.id), resolution=row.resolution)
    return break_data(row)


def break_data(row: Break) -> dict[str, Any]:
    """Describe a break as JSON-able data."""
    return {
        "id": public_id("brk", row.id),
        "bank_account_id": public_id("ban", row.bank_account_id),
        "reason": row.reason,
        "state": row.state,
        "resolution": row.resolution,
        "owner": row.owner,
        "difference_minor": row.difference_minor,
        "currency": row.currency,
        "day": row.day.isoformat(),
        "version": row.version,
    }
