"""NACHA files of the payments in a batch: numbered when the batch is closed, the same bytes ever after."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.commands import Context
from apps.core.errors import Conflict, Invalid
from apps.core.money import Money
from apps.payments.calendar import calendar
from apps.payments.counterparties import current
from apps.payments.domain.lifecycle import Kind
from apps.payments.domain.prenotes import PrenoteState
from apps.payments.domain.references import ach_reference
from apps.payments.formats.nacha.codes import CREDIT, DEBIT
from apps.payments.models import AchFile, AchItem, AchProfile, Batch, Counterparty, Payment, SettlementAccount
from apps.payments.models_ach import AchAuthorisation, Prenote
from apps.payments.models_debits import Collection
from apps.payments.rails.ach import (
    BATCH_NUMBER_MAX,
    COLLECTION,
    FILES_PER_DAY_MAX,
    MODIFIERS,
    PAYMENT,
    TRACE_SEQUENCE_MAX,
    bank_day,
    sec_code_for,
)
from apps.payments.rails.base import Instruction, Outgoing, Party

PRENOTES_MAX = 1_000
"""The most prenotes in one file."""


class NoAchProfile(Conflict):
    code = "no_ach_profile"
    title = "This bank account of ours does not take part in the ACH yet."


class TooManyFiles(Conflict):
    code = "too_many_ach_files"
    title = "The bank tells 36 files of a day apart; the next one can leave tomorrow."


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry to number: whose payment, to whom, and how it travels."""

    kind: str
    payment: Payment | None
    organisation_id: UUID
    counterparty: Counterparty
    direction: str
    sec_code: str
    description: str
    reference: str
    amount: Money


@dataclass(frozen=True, slots=True)
class _Profile:
    company_id: str
    company_name: str
    odfi: str
    destination: str
    destination_name: str
    origin: str
    origin_name: str
    segregate: bool


def check_date(execution_date: date) -> None:
    """Raise Invalid unless entries can take effect on this day."""
    if not calendar("FED").is_open(execution_date):
        raise Invalid(field="execution_date", reason="not a banking day of the Reserve Banks")


def payable(payments: list[Payment], *, at: datetime) -> tuple[list[Payment], dict[UUID, Counterparty]]:
    """Return the payments whose other end can be paid, and each end with what banks have corrected.

    An account that a return has stopped gets no entry until its owner says what is right.
    """
    ends = Counterparty.objects.in_bulk({row.counterparty_id for row in payments})
    latest = {key: current(end, at=at) for key, end in ends.items()}
    reached = {
        # What takes an entry back goes where that entry went, whatever was said of the account since.
        row.pk: (ends if row.rail_options.get("reverses") else latest)[row.counterparty_id]
        for row in payments
        if row.counterparty_id is not None
    }
    going = [row for row in payments if row.rail_options.get("reverses") or not reached[row.pk].stopped_code]
    return going, {row.pk: reached[row.pk] for row in going}


def forward_entries(payments: list[Payment], ends: dict[UUID, Counterparty]) -> list[Entry]:
    """Return the entries that carry payments, in their order, each in the class that its parties ask for."""
    holders = holders_of({row.account_id for row in payments})
    authorised = _authorised([row for row in payments if row.kind == Kind.COLLECTION])
    return [
        _forward(row, ends[row.pk], holders[row.account_id], authorised.get(row.pk, "")) for row in payments
    ]


def _forward(payment: Payment, end: Counterparty, holder: str, authorised_by: str) -> Entry:
    collects = payment.kind == Kind.COLLECTION
    options = payment.rail_options
    text = payment.remittance.reveal() if payment.remittance is not None else ""
    sec_code = options.get("sec_code") or sec_code_for(
        direction=DEBIT if collects else CREDIT,
        payer=end.holder if collects else holder,
        payee=holder if collects else end.holder,
        remittance=text,
        authorised_by=authorised_by,
    )
    return Entry(
        AchItem.Kind.REVERSAL if options.get("reverses") else AchItem.Kind.FORWARD,
        payment,
        payment.organisation_id,
        end,
        DEBIT if collects else CREDIT,
        sec_code,
        options.get("description") or (COLLECTION if collects else PAYMENT),
        ach_reference(payment.pk),
        payment.amount,
    )


def prenote_entries(*, at: datetime) -> tuple[list[Prenote], list[Entry]]:
    """Lock the prenotes that wait and return them with their entries. What was stopped meanwhile waits on."""
    rows = list(
        Prenote.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(state=PrenoteState.WAITING.value)
        .order_by("id")[:PRENOTES_MAX]
    )
    ends = Counterparty.objects.in_bulk({row.counterparty_id for row in rows})
    latest = {row.pk: current(ends[row.counterparty_id], at=at) for row in rows}
    going = [row for row in rows if not latest[row.pk].stopped_code]
    return going, [
        Entry(
            AchItem.Kind.PRENOTE,
            None,
            row.organisation_id,
            latest[row.pk],
            DEBIT,
            row.sec_code,
            COLLECTION,
            ach_reference(row.pk),
            Money(0, "USD"),
        )
        for row in going
    ]


def _authorised(collections: list[Payment]) -> dict[UUID, str]:
    """Return by payment how its debtor authorised it; nothing for the reversal of a credit."""
    rows = Collection.objects.filter(pk__in=[row.pk for row in collections], mandate_id__isnull=False)
    mandate_of = dict(rows.values_list("pk", "mandate_id"))
    said = AchAuthorisation.objects.filter(mandate_id__in=set(mandate_of.values()))
    by_mandate: dict[UUID | None, str] = dict(said.values_list("mandate_id", "authorised_by"))
    return {key: by_mandate.get(mandate_id, "") for key, mandate_id in mandate_of.items()}


def holders_of(account_ids: set[UUID]) -> dict[UUID, str]:
    """Tell of accounts of ours whether they belong to a person or a company; an organisation's own to the latter."""
    rows = accounts.payment_accounts_by_id(account_ids)
    parties = accounts.Party.objects.filter(pk__in=[row.party_id for row in rows.values() if row.party_id])
    kinds: dict[UUID | None, str] = dict(parties.values_list("pk", "kind"))
    return {key: str(kinds.get(row.party_id, "company")) for key, row in rows.items()}


def number(batch: Batch, account: SettlementAccount, entries: list[Entry], context: Context) -> AchFile:
    """Give a closed batch its file: modifier, batch numbers, a trace for each entry.

    Needs the settlement account's lock; locks its profile. Raises NoAchProfile, TooManyFiles.
    """
    odfi = account.routing_number[:8]
    profiles = profiles_at(odfi)
    profile = next((row for row in profiles if row.settlement_account_id == account.pk), None)
    if profile is None:
        raise NoAchProfile(account=account.bank)
    file = _new_file(batch, account, profile, entries, context)
    first = _take(profile, "trace_sequence", len(entries), TRACE_SEQUENCE_MAX)
    AchItem.objects.bulk_create(
        [
            _item(entry, batch, f"{odfi}{sequence:07d}", context)
            for sequence, entry in enumerate(entries, start=first)
        ]
    )
    profile.save()
    # A trace names a bank and a number, so our accounts at one bank count on together.
    AchProfile.objects.filter(pk__in=[row.pk for row in profiles]).update(
        trace_sequence=profile.trace_sequence
    )
    return file


def profiles_at(odfi: str) -> list[AchProfile]:
    """Lock our places in the ACH at one bank, in the order of their keys. Their trace counters are equal."""
    accounts_there = SettlementAccount.objects.filter(routing_number__startswith=odfi)
    rows = AchProfile.objects.select_for_update().filter(
        settlement_account_id__in=accounts_there.values("pk")
    )
    return list(rows.order_by("pk"))


def numbers_for_refusal(account: SettlementAccount, count: int, context: Context) -> dict[str, Any]:
    """Take the numbers of a file that refuses notifications, and say who we are in it.

    Raises NoAchProfile, TooManyFiles.
    """
    profiles = profiles_at(account.routing_number[:8])
    profile = next((row for row in profiles if row.settlement_account_id == account.pk), None)
    if profile is None:
        raise NoAchProfile(account=account.bank)
    modifier = _take_modifier(profile, bank_day(context.at))
    numbers = {
        "modifier": modifier,
        "first_batch_number": _take(profile, "batch_number", 1, BATCH_NUMBER_MAX),
        "first_trace": _take(profile, "trace_sequence", count, TRACE_SEQUENCE_MAX),
    }
    profile.save()
    AchProfile.objects.filter(pk__in=[row.pk for row in profiles]).update(
        trace_sequence=profile.trace_sequence
    )
    return {**asdict(_ours(account, profile)), **numbers}


def _take_modifier(profile: AchProfile, today: date) -> str:
    if profile.file_date != today:
        profile.file_date, profile.files_on_date = today, 0
    if profile.files_on_date >= FILES_PER_DAY_MAX:
        raise TooManyFiles(date=today.isoformat())
    profile.files_on_date += 1
    return MODIFIERS[profile.files_on_date - 1]


def _ours(account: SettlementAccount, profile: AchProfile) -> _Profile:
    named = {name: getattr(profile, name) for name in _Profile.__slots__ if name != "odfi"}
    return _Profile(odfi=account.routing_number[:8], **named)


def _new_file(
    batch: Batch, account: SettlementAccount, profile: AchProfile, entries: list[Entry], context: Context
) -> AchFile:
    today = bank_day(batch.created_at)
    modifier = _take_modifier(profile, today)
    return AchFile.objects.create(
        id=context.new_id(),
        organisation_id=batch.organisation_id,
        message_id=batch.message_id,
        batch_id=batch.pk,
        settlement_account_id=account.pk,
        file_date=today,
        modifier=modifier,
        first_batch_number=_take(profile, "batch_number", _batches(profile, entries), BATCH_NUMBER_MAX),
        same_day=batch.execution_date == today,
        profile=asdict(_ours(account, profile)),
        created_at=context.at,
    )


def _batches(profile: AchProfile, entries: list[Entry]) -> int:
    """Count the batches that the rail will part these entries into."""
    apart = profile.segregate
    return len({(one.sec_code, one.description, one.direction if apart else "") for one in entries})


def _take(profile: AchProfile, counter: str, count: int, most: int) -> int:
    """Take so many numbers and return the first. A file never spans the end of the seven digits."""
    latest = getattr(profile, counter)
    first = 1 if latest + count > most else latest + 1
    setattr(profile, counter, first + count - 1)
    return int(first)


def _item(entry: Entry, batch: Batch, trace: str, context: Context) -> AchItem:
    return AchItem(
        id=context.new_id(),
        organisation_id=entry.organisation_id,
        kind=entry.kind,
        message_id=batch.message_id,
        payment_id=entry.payment.pk if entry.payment else None,
        counterparty_id=entry.counterparty.pk,
        direction=entry.direction,
        sec_code=entry.sec_code,
        description=entry.description,
        reference=entry.reference,
        amount_minor=entry.amount.minor,
        trace=trace,
        created_at=context.at,
    )


def outgoing_of(batch: Batch, ours: Party) -> Outgoing:
    """Return a batch as its rail builds it, from what was fixed when it was closed."""
    file = AchFile.objects.get(message_id=batch.message_id)
    items = list(AchItem.objects.filter(message_id=batch.message_id).order_by("trace"))
    rows = Payment.objects.in_bulk({item.payment_id for item in items if item.payment_id})
    ends = Counterparty.objects.in_bulk({item.counterparty_id for item in items})
    return Outgoing(
        message_id=batch.message_id,
        created_at=batch.created_at,
        execution_date=batch.execution_date,
        ours=ours,
        instructions=tuple(
            _instruction(item, rows.get(item.payment_id), ours, ends[item.counterparty_id]) for item in items
        ),
        options={
            **file.profile,
            "modifier": file.modifier,
            "first_batch_number": file.first_batch_number,
            "same_day": file.same_day,
        },
    )


def _instruction(item: AchItem, payment: Payment | None, ours: Party, end: Counterparty) -> Instruction:
    theirs = Party(end.name.reveal(), end.account.reveal(), end.routing_number, country=end.country)
    debtor, creditor = (ours, theirs) if item.direction == CREDIT else (theirs, ours)
    text = payment.remittance if payment is not None else None
    return Instruction(
        reference=item.reference,
        amount=Money(item.amount_minor, "USD"),
        debtor=debtor,
        creditor=creditor,
        remittance=text.reveal() if text is not None else "",
        options={
            "direction": item.direction,
            "sec_code": item.sec_code,
            "description": item.description,
            "account_kind": end.account_kind,
            "trace_sequence": int(item.trace[8:]),
            "prenote": item.kind == AchItem.Kind.PRENOTE,
        },
    )
