"""What a match does to payments and books, once: settle, return, book a pay-in, a charge, suspense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.reconciliation.domain.words import CARD_PAYOUT, BreakState, MatchState, Method, Reason
from apps.reconciliation.errors import NoSuchObject
from apps.reconciliation.lines import content_id
from apps.reconciliation.matching.bookings import came_by, payin_target, told
from apps.reconciliation.matching.by_hand import forget_refused_effect
from apps.reconciliation.matching.record import break_event
from apps.reconciliation.models import BankAccount, Break, Expectation, Match, MatchItem, StatementLine

_LENT = frozenset({"payments.settle"})


@dataclass(frozen=True)
class ApplyMatch(Command):
    """Let a match have its effect on payments and books. For the whole platform."""

    match_id: UUID


@handles(ApplyMatch, name="reconciliation.apply_match", version=1, permission="reconciliation.write")
def apply_match(command: ApplyMatch, context: Context) -> dict[str, Any]:
    """Run the commands that a match means, each in its payment's organisation; a second time, nothing.

    Raises what they refuse: the match then stays as it is.
    """
    match = Match.objects.select_for_update().filter(id=command.match_id).first()
    if match is None:
        raise NoSuchObject(object="match")
    if match.state != MatchState.MADE:
        return {"match_id": str(match.id), "applied": False, "journals": match.journals}
    account = BankAccount.objects.get(id=match.bank_account_id)
    if account.settlement_account_id is not None:
        match.journals = _have_effect(match, account, lending(context))
    match.state = MatchState.APPLIED.value
    match.save(update_fields=["state", "journals"])
    forget_refused_effect(match, context)
    context.note("match", public_id("mat", match.id), method=match.method, journals=match.journals)
    return {"match_id": str(match.id), "applied": True, "journals": match.journals}


def lending(context: Context) -> Context:
    """Let the actor settle payments as far as reconciliation does it for them: by way of a match."""
    actor = replace(context.actor, permissions=context.actor.permissions | _LENT)
    return replace(context, actor=actor)


def line_reference(line: StatementLine) -> str:
    """Name a statement line to payments and in the books."""
    return public_id("stl", line.id)


def _have_effect(match: Match, account: BankAccount, context: Context) -> list[int]:
    items = MatchItem.objects.filter(match_id=match.id)
    lines = list(StatementLine.objects.filter(id__in=items.values("line_id")).order_by("booking_date", "id"))
    alone = _ALONE.get(Method(match.method))
    if alone is not None:
        return alone(lines[0], account, context)
    expected = Expectation.objects.filter(id__in=items.values("expectation_id")).order_by("id")
    latest = lines[-1]
    journals = []
    for one in expected:
        if one.payment_id is not None:
            answer = context.run(_of_payment(match, one, latest), step=f"payment:{one.payment_id}")
            journals += [answer["journal"]] if answer.get("journal") else []
        elif one.kind == CARD_PAYOUT:
            journals.append(_card_payout(match, one, latest, account, context))
        elif one.kind in _COMPONENTS:
            journals.append(_component(match, one, latest, account, context))
    return journals + _difference(match, account, latest, context)


def _difference(match: Match, account: BankAccount, line: StatementLine, context: Context) -> list[int]:
    """Book what the bank's side is more or less than ours, so that cash in the books is the bank's cash."""
    minor = match.bank_minor - match.expected_minor
    if minor == 0:
        return []
    kind = payments.BookBankCharge if match.method == Method.WITHIN_TOLERANCE else payments.BookToSuspense
    assert account.settlement_account_id is not None
    command = kind(
        account.organisation_id,
        settlement_account_id=account.settlement_account_id,
        amount=Money(minor, match.currency),
        booking_date=match.day,
        statement_line=line_reference(line),
    )
    return [context.run(command, step="difference")["journal"]]


def _component(
    match: Match, one: Expectation, line: StatementLine, account: BankAccount, context: Context
) -> int:
    """Book a part of a net settlement that is no payment of ours: a fee as a charge, the rest to suspense."""
    assert account.settlement_account_id is not None
    command = _COMPONENTS[one.kind](
        account.organisation_id,
        settlement_account_id=account.settlement_account_id,
        amount=Money(one.amount_minor, one.currency),
        booking_date=match.day,
        statement_line=line_reference(line),
    )
    return int(context.run(command, step=f"component:{one.id}")["journal"])


def _card_payout(
    match: Match, one: Expectation, line: StatementLine, account: BankAccount, context: Context
) -> int:
    """Book a processor's payout: what its report put into clearing is cash now."""
    assert account.settlement_account_id is not None
    command = payments.BookCardPayout(
        None,
        settlement_account_id=account.settlement_account_id,
        amount=Money(one.amount_minor, one.currency),
        booking_date=match.day,
        statement_line=line_reference(line),
    )
    return int(context.run(command, step=f"card_payout:{one.id}")["journal"])


def _of_payment(match: Match, one: Expectation, line: StatementLine) -> Command:
    assert one.payment_id is not None
    amount = Money(abs(one.amount_minor), one.currency)
    if match.method == Method.RETURN:
        return payments.ReturnPayment(
            one.organisation_id,
            payment_id=one.payment_id,
            amount=amount,
            booking_date=match.day,
            statement_line=line_reference(line),
            reason=line.return_reason,
        )
    return payments.SettlePayment(
        one.organisation_id,
        payment_id=one.payment_id,
        amount=amount,
        booking_date=match.day,
        statement_line=line_reference(line),
    )


def _charge(line: StatementLine, account: BankAccount, context: Context) -> list[int]:
    return _between(payments.BookBankCharge, line, account, context)


def _suspense(line: StatementLine, account: BankAccount, context: Context) -> list[int]:
    return _between(payments.BookToSuspense, line, account, context)


def _between(kind: Any, line: StatementLine, account: BankAccount, context: Context) -> list[int]:
    command = kind(
        account.organisation_id,
        settlement_account_id=account.settlement_account_id,
        amount=Money(line.amount_minor, line.currency),
        booking_date=line.booking_date,
        statement_line=line_reference(line),
    )
    return [context.run(command, step=f"line:{line.id}")["journal"]]


def _payin(line: StatementLine, account: BankAccount, context: Context) -> list[int]:
    target = payin_target(line)
    if target is None:
        raise Invalid(field="remittance", reason="it names no account of ours any more")
    assert account.settlement_account_id is not None
    words = told(line)
    command = payments.BookPayin(
        target.organisation_id,
        account_id=target.account_id,
        settlement_account_id=account.settlement_account_id,
        amount=Money(line.amount_minor, line.currency),
        booking_date=line.booking_date,
        statement_line=line_reference(line),
        debtor=payments.Debtor(name=words.get("name", "")[:70], iban=words.get("account", "")),
        remittance=words.get("remittance", ""),
        rail=came_by(line),
    )
    return [context.run(command, step=f"line:{line.id}")["journal"]]


def _write_off(line: StatementLine, account: BankAccount, context: Context) -> list[int]:
    """Post between cash and write-offs, an expense of the operator's."""
    route = next(r for r in payments.settlement_accounts() if r.id == account.settlement_account_id)
    lost = ledger.open_account(
        organisation_id=account.organisation_id,
        code=f"write_off:{account.number}:{account.currency}",
        name=f"Written off, {account.name} {account.currency}",
        kind="expense",
        currency=account.currency,
    )
    debit, credit = (route.cash_id, lost.id) if line.amount_minor > 0 else (lost.id, route.cash_id)
    return [_post(line, (debit, credit), account.organisation_id, context)]


def _post(line: StatementLine, pair: tuple[int, int], organisation_id: UUID, context: Context) -> int:
    return ledger.post(
        ledger.JournalDraft(
            key=context.step_key(f"line:{line.id}"),
            kind="write_off",
            organisation_id=organisation_id,
            postings=(
                ledger.Posting(
                    debit=pair[0], credit=pair[1], amount=Money(abs(line.amount_minor), line.currency)
                ),
            ),
            effective_date=line.booking_date,
            actor=str(context.actor),
            reference=line_reference(line),
        )
    ).seq


_COMPONENTS: dict[str, Any] = {
    "fee": payments.BookBankCharge,
    "payment": payments.BookToSuspense,
    "refund": payments.BookToSuspense,
    "dispute": payments.BookToSuspense,
}

_ALONE: dict[Method, Callable[[StatementLine, BankAccount, Context], list[int]]] = {
    Method.CHARGE: _charge,
    Method.SUSPENSE: _suspense,
    Method.PAYIN: _payin,
    Method.WRITE_OFF: _write_off,
}
"""What is booked for a line that was not expected."""


def reverse_own_journals(match: Match, context: Context, *, effective: date) -> list[int]:
    """Undo what a match posted itself (a charge, suspense, a write-off), journal by journal."""
    return [
        ledger.reverse(
            key=context.step_key(f"reverse:{seq}"),
            organisation_id=match.organisation_id,
            seq=seq,
            effective_date=effective,
            actor=str(context.actor),
            reference=public_id("mat", match.id),
        ).seq
        for seq in match.journals
    ]


@dataclass(frozen=True)
class RecordRefusedEffect(Command):
    """A match was made and its payment or the books refused it: that is a break, whatever else fits."""

    match_id: UUID
    code: str


@handles(
    RecordRefusedEffect,
    name="reconciliation.record_refused_effect",
    version=1,
    permission="reconciliation.write",
)
def record_refused_effect(command: RecordRefusedEffect, context: Context) -> dict[str, Any]:
    """Open a break about the first line of the match, unless one is open."""
    match = Match.objects.select_for_update().get(id=command.match_id)
    held = MatchItem.objects.filter(match_id=match.id, line__isnull=False).order_by("line_id")
    line_id = held.values_list("line_id", flat=True)[0]
    about = Break.objects.filter(line_id=line_id)
    if about.filter(state=BreakState.OPEN.value).exists():
        return {"opened": False}
    times = about.count()
    row = Break.objects.create(
        id=content_id(match.day, "break", "effect", str(match.id), str(times)),
        organisation_id=match.organisation_id,
        bank_account_id=match.bank_account_id,
        line_id=line_id,
        reason=Reason.LATE_EFFECT.value,
        difference_minor=match.bank_minor,
        currency=match.currency,
        day=match.day,
        detail={"refused": command.code[:60], "match": str(match.id)},
        state=BreakState.OPEN.value,
        version=1,
        found_at=context.at,
    )
    break_event(row, "found", context, reason=row.reason).save(force_insert=True)
    return {"opened": True}
