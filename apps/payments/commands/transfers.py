"""Transfers between two accounts that we hold: ordered and settled in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.commands import Command, Context, handles_together
from apps.core.errors import Invalid, Refusal
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import books, fx_books
from apps.payments.commands.checks import check_account, check_amount
from apps.payments.domain.lifecycle import Event, Kind
from apps.payments.domain.references import REMITTANCE_MAX, clean_text, end_to_end_id
from apps.payments.lifecycle_store import Origin, Started, begin_many
from apps.payments.models import Payment, Rail
from apps.payments.models_fx import FxQuote
from apps.payments.representation import payment_data


@dataclass(frozen=True)
class CreateTransfer(Command):
    """Move money from one account of an organisation to another.

    `amount` is what arrives. With a quote it is bought with what the source account has.
    """

    account_id: UUID
    other_account_id: UUID
    amount: Money
    remittance: str = ""
    reference: str = ""
    quote_id: UUID | None = None


@handles_together(CreateTransfer, name="payments.create_transfer", version=1, permission="payments.write")
def create_transfers(
    commands: list[CreateTransfer], contexts: list[Context]
) -> list[dict[str, Any] | Refusal]:
    """Post transfers and record them as settled; refuse each that the accounts or the books refuse.

    Many share one call of the ledger and one transaction; one alone is the same code.
    """
    known = accounts.lock_payment_accounts(
        {key for command in commands for key in (command.account_id, command.other_account_id)}
    )
    prepared = [
        _prepare(command, context, known) for command, context in zip(commands, contexts, strict=True)
    ]
    drafts = [item.draft for item in prepared if isinstance(item, _Prepared)]
    posted = iter(ledger.post_many(drafts))
    answers: list[dict[str, Any] | Refusal] = []
    started: list[Started] = []
    for item, context in zip(prepared, contexts, strict=True):
        if isinstance(item, Refusal):
            answers.append(item)
            continue
        result = next(posted)
        try:
            seq = _seq(item, result)
        except Refusal as refusal:
            answers.append(refusal)
            continue
        started.append(Started(item.payment, Event.ORDER, context, Origin(context.actor.kind), seq))
        answers.append({})
    begin_many(started)
    done = iter(started)
    return [answer if isinstance(answer, Refusal) else payment_data(next(done).payment) for answer in answers]


@dataclass(frozen=True, slots=True)
class _Prepared:
    payment: Payment
    draft: ledger.JournalDraft
    quote: FxQuote | None = None


def _seq(item: _Prepared, result: ledger.Result) -> int:
    """Return the journal's number. Raises what the ledger refuses, and QuoteUsed."""
    if item.quote is not None:
        item.payment.exchange_seq = fx_books.exchanged(result, item.quote)
        return item.payment.exchange_seq
    if not result.ok or result.seq is None:
        raise ledger.refusal_of(result)
    return result.seq


def _prepare(
    command: CreateTransfer, context: Context, known: dict[UUID, accounts.PaymentAccount]
) -> _Prepared | Refusal:
    assert command.organisation_id is not None
    try:
        check_amount(command.amount)
        if command.account_id == command.other_account_id:
            raise Invalid(field="destination_account", reason="the same as the source account")
        currency, organisation_id = command.amount.currency, command.organisation_id
        quote = (
            fx_books.usable_quote(organisation_id, command.quote_id, command.amount, at=context.at)
            if command.quote_id
            else None
        )
        sold = quote.sold_currency if quote is not None else currency
        source = check_account(known.get(command.account_id), organisation_id, command.account_id, sold)
        target = check_account(
            known.get(command.other_account_id),
            organisation_id,
            command.other_account_id,
            currency,
            field="destination_account",
            incoming=True,
        )
        payment = _new_transfer(command, context)
    except Refusal as refusal:
        return refusal
    if quote is not None:
        fx_books.note_exchange(payment, quote)
        draft = fx_books.exchange_draft(
            payment,
            quote,
            source_id=source.ledger_account_id,
            target_id=target.ledger_account_id,
            context=context,
        )
        return _Prepared(payment, draft, quote)
    draft = books.journal(
        payment,
        "transfer",
        ((source.ledger_account_id, target.ledger_account_id),),
        effective=context.at.date(),
        context=context,
    )
    return _Prepared(payment, draft)


def _new_transfer(command: CreateTransfer, context: Context) -> Payment:
    assert command.organisation_id is not None
    key = context.new_id()
    return Payment(
        id=key,
        organisation_id=command.organisation_id,
        kind=Kind.TRANSFER.value,
        rail=Rail.BOOK,
        amount_minor=command.amount.minor,
        currency=command.amount.currency,
        account_id=command.account_id,
        other_account_id=command.other_account_id,
        subject_id=command.organisation_id,
        end_to_end_id=end_to_end_id(key),
        remittance=clean_text(command.remittance, field="remittance", length_max=REMITTANCE_MAX) or None,
        reference=clean_text(command.reference, field="reference", length_max=70),
        ordered_by=str(context.actor),
        created_at=context.at,
    )
