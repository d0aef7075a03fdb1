"""Finding or adding who is at the other end of a payment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, cast
from uuid import UUID

from django.db.models import Q

from apps.accounts import public as accounts
from apps.core.commands import Context
from apps.core.crypto.fields import BlindIndexField, matching, matching_any
from apps.core.crypto.runtime import key_ring
from apps.core.rows import insert_rows
from apps.payments.domain.references import NAME_MAX, clean_text
from apps.payments.domain.us_accounts import (
    ACCOUNT_KINDS,
    HOLDERS,
    clean_account_number,
    clean_routing_number,
    one_of,
)
from apps.payments.models import Counterparty
from apps.payments.rails.base import Party


def counterparty(
    *, organisation_id: UUID, name: str, iban: str, country: str = "", town: str = "", context: Context
) -> Counterparty:
    """Return the organisation's counterparty with this name and IBAN, added if it is new.

    Raises Invalid for a name that a bank would not carry, and the refusal of a wrong IBAN.
    """
    checked = accounts.clean_iban(iban)
    return _found_or_added(
        organisation_id,
        name,
        matching(Counterparty, "iban_index", checked, organisation_id=organisation_id),
        {"iban": checked, "country": (country or checked[:2]).upper()[:2]},
        town,
        context,
    )


@dataclass(frozen=True, slots=True)
class PayeeDraft:
    """A payee whose name, IBAN and town have been checked, as they will be stored."""

    index: ClassVar[str] = "iban_index"

    name: str
    iban: str
    country: str
    town: str

    @property
    def number(self) -> str:
        """Return what the blind index is of."""
        return self.iban

    def values(self) -> dict[str, str]:
        """Return the fields of the account."""
        return {"iban": self.iban, "country": self.country}


@dataclass(frozen=True, slots=True)
class UsPayeeDraft:
    """A payee in the United States whose name, account and town have been checked, as they will be stored."""

    index: ClassVar[str] = "account_number_index"

    name: str
    routing_number: str
    account_number: str
    account_kind: str
    holder: str
    town: str

    @property
    def number(self) -> str:
        """Return what the blind index is of."""
        return self.account_number

    def words(self) -> dict[str, str]:
        """Return what tells accounts of the same number apart."""
        return {
            "routing_number": self.routing_number,
            "account_kind": self.account_kind,
            "holder": self.holder,
        }

    def values(self) -> dict[str, str]:
        """Return the fields of the account."""
        return {**self.words(), "account_number": self.account_number, "country": "US"}


Draft = PayeeDraft | UsPayeeDraft


def checked_payee(name: str, iban: str, *, country: str = "", town: str = "") -> PayeeDraft:
    """Check a payee. Raises Invalid for a name that a bank would not carry, and the refusal of a wrong IBAN."""
    checked = accounts.clean_iban(iban)
    return PayeeDraft(
        clean_text(name, field="name", length_max=NAME_MAX, required=True),
        checked,
        (country or checked[:2]).upper()[:2],
        clean_text(town, field="town", length_max=35),
    )


def checked_us_payee(
    name: str, routing_number: str, account_number: str, *, account_kind: str, holder: str, town: str = ""
) -> UsPayeeDraft:
    """Check a payee in the United States. Raises Invalid."""
    return UsPayeeDraft(
        routing_number=clean_routing_number(routing_number, field="creditor.routing_number"),
        account_kind=one_of(account_kind, ACCOUNT_KINDS, field="creditor.account_kind"),
        holder=one_of(holder, ("", *HOLDERS), field="creditor.holder"),
        account_number=clean_account_number(account_number, field="creditor.account_number"),
        name=clean_text(name, field="name", length_max=NAME_MAX, required=True),
        town=clean_text(town, field="town", length_max=35),
    )


def counterparties(organisation_id: UUID, payees: Sequence[Draft], context: Context) -> list[Counterparty]:
    """Return the organisation's counterparty for each payee, adding the new ones, set by set.

    A payee that another transaction adds at the same moment is found, not added twice. What a bank has
    corrected since is used instead of what is given.
    """
    marks = [_marks_of(payee, organisation_id) for payee in payees]
    known = _known(organisation_id, payees)
    drafts = {
        mark: Counterparty(
            id=context.new_id(),
            organisation_id=organisation_id,
            name=payee.name,
            town=payee.town or None,
            created_at=context.at,
            **cast(dict[str, Any], payee.values()),
        )
        for mark, payee in zip(marks, payees, strict=True)
        if mark not in known
    }
    if drafts:
        new = list(drafts.values())
        with key_ring().at_hand([(organisation_id, row.pk) for row in new], to_seal=True):
            inserted = insert_rows(Counterparty, new, or_ignore=True)
        known |= drafts if inserted == len(new) else _known(organisation_id, payees)
    latest = _all_current(list(known.values()), at=context.at)
    return [latest[known[mark].pk] for mark in marks]


_Marks = tuple[Any, ...]


def _known(organisation_id: UUID, payees: Sequence[Draft]) -> dict[_Marks, Counterparty]:
    """Return those that are there, by the blind indexes of account and name."""
    found: dict[_Marks, Counterparty] = {}
    for kind in {type(payee) for payee in payees}:
        numbers = sorted({payee.number for payee in payees if type(payee) is kind})
        for start in range(0, len(numbers), 1_000):
            some = matching_any(
                Counterparty, kind.index, numbers[start : start + 1_000], organisation_id=organisation_id
            )
            for row in Counterparty.objects.filter(some):
                words = row.routing_number, row.account_kind, row.holder
                found[getattr(row, kind.index), row.name_index, *words] = row
    return found


def _marks_of(payee: Draft, organisation_id: UUID) -> _Marks:
    fields = Counterparty._meta.get_field(payee.index), Counterparty._meta.get_field("name_index")
    number, name = cast(tuple[BlindIndexField, BlindIndexField], fields)
    words = payee.words().values() if isinstance(payee, UsPayeeDraft) else ("", "", "")
    return (
        number.index_of(payee.number, organisation_id=organisation_id),
        name.index_of(payee.name, organisation_id=organisation_id),
        *words,
    )


def us_counterparty(
    *,
    organisation_id: UUID,
    name: str,
    routing_number: str,
    account_number: str,
    account_kind: str,
    holder: str,
    town: str = "",
    context: Context,
) -> Counterparty:
    """Return the organisation's counterparty with this name and account in the United States.

    What its bank has corrected since is used instead of what is given. Raises Invalid.
    """
    draft = checked_us_payee(
        name, routing_number, account_number, account_kind=account_kind, holder=holder, town=town
    )
    number = draft.account_number
    same = matching(Counterparty, "account_number_index", number, organisation_id=organisation_id)
    found = _found_or_added(
        organisation_id, draft.name, same & Q(**draft.words()), draft.values(), draft.town, context
    )
    return current(found, at=context.at)


def corrected(row: Counterparty, values: dict[str, str], context: Context) -> Counterparty:
    """Return the counterparty with these values corrected, and let the row name it as its successor.

    The row itself, if nothing is different. What was stopped stays stopped, unless it is another account.
    """
    name = values.get("name", row.name.reveal())
    known = {
        part: values.get(part, getattr(row, part)) for part in ("routing_number", "account_kind", "holder")
    }
    number = values.get("account_number", row.account.reveal())
    same = matching(Counterparty, "account_number_index", number, organisation_id=row.organisation_id)
    found = _found_or_added(
        row.organisation_id,
        name,
        same & Q(**known),
        {**known, "account_number": number, "country": row.country},
        row.town.reveal() if row.town is not None else "",
        context,
    )
    if found.pk == row.pk:
        return row
    if (found.routing_number, number) == (row.routing_number, row.account.reveal()):
        found.stopped_code = row.stopped_code
    found.replaced_by_id = found.replaced_at = None  # it may have been corrected to another one before
    found.save()
    row.replaced_by_id, row.replaced_at = found.pk, context.at
    row.save()
    return found


def current(row: Counterparty, *, at: datetime) -> Counterparty:
    """Follow the corrections of a counterparty that banks had told us by a moment."""
    seen = {row.pk}
    while row.replaced_by_id is not None and row.replaced_at is not None and row.replaced_at <= at:
        row = Counterparty.objects.get(pk=row.replaced_by_id)
        if row.pk in seen:
            break
        seen.add(row.pk)
    return row


def _all_current(rows: Sequence[Counterparty], *, at: datetime) -> dict[UUID, Counterparty]:
    """Follow the corrections of many, with a query for each step of the longest chain; keys are the rows'."""
    found = {row.pk: row for row in rows}
    while missing := {row.replaced_by_id for row in found.values() if _is_replaced(row, at)} - found.keys():
        found |= Counterparty.objects.in_bulk(missing)
    return {row.pk: _followed(row, found, at) for row in rows}


def _is_replaced(row: Counterparty, at: datetime) -> bool:
    return row.replaced_by_id is not None and row.replaced_at is not None and row.replaced_at <= at


def _followed(row: Counterparty, found: dict[UUID, Counterparty], at: datetime) -> Counterparty:
    seen = {row.pk}
    while _is_replaced(row, at):
        row = found[cast(UUID, row.replaced_by_id)]
        if row.pk in seen:
            break
        seen.add(row.pk)
    return row


def _found_or_added(
    organisation_id: UUID, name: str, same_account: Q, values: dict[str, Any], town: str, context: Context
) -> Counterparty:
    tidy = clean_text(name, field="name", length_max=NAME_MAX, required=True)
    found = Counterparty.objects.filter(
        same_account,
        matching(Counterparty, "name_index", tidy, organisation_id=organisation_id),
        organisation_id=organisation_id,
    ).first()
    if found is not None:
        return found
    return Counterparty.objects.create(
        id=context.new_id(),
        organisation_id=organisation_id,
        name=tidy,
        town=clean_text(town, field="town", length_max=35) or None,
        created_at=context.at,
        **values,
    )


def party_of(row: Counterparty) -> Party:
    """Reveal a counterparty as rails know the ends of a payment."""
    return Party(
        row.name.reveal(),
        row.account.reveal(),
        row.routing_number,
        town=row.town.reveal() if row.town is not None else "",
        country=row.country,
    )
