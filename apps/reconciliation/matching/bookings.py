"""Matches of a single line that was not expected: charges, pay-ins, suspense, write-offs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.actors import Actor
from apps.core.ids import BadId, parse_public_id
from apps.reconciliation.domain.references import ibans_in
from apps.reconciliation.domain.words import LineState, MatchState, Method
from apps.reconciliation.errors import NotOpen
from apps.reconciliation.lines import content_id
from apps.reconciliation.models import Match, MatchItem, StatementLine

CHARGE_FAMILIES = frozenset({"CHRG", "COMM", "FEES", "COMT"})
"""Sub-families of ISO 20022 bank transaction codes by which banks book what they charge themselves."""

AT_ONCE = "RRCT"
"""The family of ISO 20022 bank transaction codes for real-time credit transfers that were received."""
_INSTANT = {"EUR": "sepa_inst", "USD": "fednow"}
_PUBLIC_ID_LENGTH = 30


def is_charge(line: StatementLine) -> bool:
    """Tell whether a line is the bank's own charge (or gives one back)."""
    return line.kind == "charge" or (
        not line.end_to_end and line.bank_code.rsplit("/", 1)[-1] in CHARGE_FAMILIES
    )


def told(line: StatementLine) -> dict[str, str]:
    """Open what the bank wrote about a line: name, account, remittance, info; empty if it was erased."""
    return dict(json.loads(line.text.reveal())) if line.text is not None else {}


def came_by(line: StatementLine) -> str:
    """Return the instant rail by which a credit came, where the bank says so; otherwise nothing."""
    return _INSTANT.get(line.currency, "") if AT_ONCE in line.bank_code.split("/") else ""


@dataclass(frozen=True, slots=True)
class PayinTarget:
    """The account of ours that a pay-in names."""

    organisation_id: UUID
    account_id: UUID


def payin_target(line: StatementLine) -> PayinTarget | None:
    """Find the one account of ours that a credit names in its remittance, by id or IBAN.

    None if it names no account or several. Needs the platform's scope.
    """
    if line.amount_minor <= 0:
        return None
    words = told(line)
    text = f"{words.get('remittance', '')} {words.get('info', '')}"
    found = {account.id: account for account in _named_accounts(text) if account.currency == line.currency}
    if len(found) != 1:
        return None
    (account,) = found.values()
    return PayinTarget(account.organisation_id, account.id)


def _named_accounts(text: str) -> list[Any]:
    named: list[Any] = []
    for word in text.replace(",", " ").split():
        if word.startswith("acc_") and len(word) == _PUBLIC_ID_LENGTH:
            try:
                named.append(accounts.payment_account(parse_public_id("acc", word)))
            except BadId:
                continue
    named.extend(accounts.payment_account_by_iban(iban) for iban in ibans_in(text))
    return [account for account in named if account is not None]


def book_line(line: StatementLine, method: Method, *, actor: Actor, at: datetime, reason: str = "") -> Match:
    """Make the match of a line alone. Raises NotOpen. Needs the platform's scope and the line's account locked."""
    content = hashlib.sha256(f"{method.value}{line.id}".encode()).digest()
    version = 1 + Match.objects.filter(content_hash=content).count()
    match = Match.objects.create(
        id=content_id(line.booking_date, "booking", content.hex(), str(version)),
        organisation_id=line.organisation_id,
        bank_account_id=line.bank_account_id,
        method=method.value,
        state=MatchState.MADE.value,
        content_hash=content,
        version=version,
        currency=line.currency,
        bank_minor=line.amount_minor,
        expected_minor=line.amount_minor,
        day=line.booking_date,
        made_by=str(actor),
        made_at=at,
        reason=reason[:200],
    )
    changed = StatementLine.objects.filter(id=line.id, state=LineState.OPEN.value).update(
        state=LineState.MATCHED.value, match_id=match.id
    )
    if not changed:
        raise NotOpen(line=str(line.id))
    MatchItem.objects.create(
        organisation_id=line.organisation_id,
        match_id=match.id,
        line_id=line.id,
        amount_minor=line.amount_minor,
    )
    return match
