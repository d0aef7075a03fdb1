"""Turns a bank's statement into rows: statements and lines whose keys follow from their content.

The same entry gives the same key from whichever file and in whatever order it comes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from uuid import UUID

from apps.core.crypto.runtime import key_ring
from apps.core.ids import uuid7
from apps.reconciliation.bank_formats import OpenedLine, Statement, StatementEntry, open_entry
from apps.reconciliation.domain.references import account_number, compared
from apps.reconciliation.domain.words import LineState, Reversals
from apps.reconciliation.models import BankAccount, StatementLine
from apps.reconciliation.models.statements import TEXT_MAX

BOOKED = "BOOK"
EPOCH = date(1970, 1, 1)


def content_id(day: date, *parts: str) -> UUID:
    """Make a UUIDv7 out of a day and what it names: equal content has an equal key.

    The SQL function `reconciliation_id` makes the same kind of key; the two never name the same rows.
    """
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return uuid7(datetime.combine(max(day, EPOCH), time(), UTC), entropy=digest[:10])


def statement_day(statement: Statement) -> date | None:
    """Tell which day a statement's closing balance speaks of; None if nothing in it says so."""
    closing = [
        balance.at_date for balance in statement.balances if balance.code == "CLBD" and balance.at_date
    ]
    if closing:
        return closing[-1]
    booked = [entry.booking_date for entry in statement.entries if entry.booking_date]
    dated = [balance.at_date for balance in statement.balances if balance.at_date]
    last = statement.to_date or (max(booked) if booked else None) or (max(dated) if dated else None)
    return last or (statement.created_at.date() if statement.created_at else None)


def counterparty_index(number: str, *, organisation_id: UUID) -> bytes | None:
    """Compute the blind index by which the other side's account number is compared, or None.

    `organisation_id` is the bank account's: lines and expectations are indexed under the same key.
    """
    normal = account_number(number)
    if not normal:
        return None
    return key_ring().index(
        normal, organisation_id=organisation_id, table="reconciliation_statementline", column="counterparty"
    )


@dataclass(frozen=True, slots=True)
class LineSource:
    """Where the lines of a statement go."""

    account: BankAccount
    statement_id: UUID
    file_id: UUID
    day: date
    final: bool  # a statement of booked entries, not an interim report or an advice

    @property
    def flips(self) -> bool:
        """Tell whether this bank signs its reversals the other way round. Keys stay as it wrote them."""
        return self.account.reversals == Reversals.FLIPPED


def lines_of(entry: StatementEntry, source: LineSource, *, taken: set[str]) -> list[StatementLine]:
    """Open an entry into lines that sum to its amount.

    `taken` holds fingerprints of other entries that only look the same, and gets this one's too: an
    entry whose fingerprint is taken is the next occurrence.
    """
    fingerprint = entry.fingerprint(source.account.number)
    while fingerprint in taken:
        entry = replace(entry, occurrence=entry.occurrence + 1)
        fingerprint = entry.fingerprint(source.account.number)
    taken.add(fingerprint)
    parts = open_entry(entry)
    whole = len(parts) == 1
    return [_line(entry, part, number, source, fingerprint, whole=whole) for number, part in enumerate(parts)]


def _line(
    entry: StatementEntry, part: OpenedLine, number: int, source: LineSource, fingerprint: str, *, whole: bool
) -> StatementLine:
    account = source.account
    detail = part.detail or (entry if whole else None)
    refs = part.refs
    day = entry.booking_date or entry.value_date or source.day
    number_of_other = detail.counterparty_iban if detail else ""
    line = StatementLine(
        id=content_id(day, str(account.id), fingerprint, str(number)),
        organisation_id=account.organisation_id,
        bank_account_id=account.id,
        statement_id=source.statement_id,
        subject_id=source.file_id,
        position=entry.position,
        part=number,
        kind=part.kind,
        status=entry.status[:12],
        amount_minor=-part.amount.minor if entry.reversal and source.flips else part.amount.minor,
        currency=part.amount.currency,
        booking_date=day,
        value_date=entry.value_date,
        end_to_end=compared(refs.end_to_end),
        uetr=refs.uetr.lower()[:36],
        message_id=compared(refs.msg or entry.refs.msg),
        batch_id=compared(refs.pmtinf or entry.refs.pmtinf),
        creditor_reference=compared(detail.remittance_structured if detail else ""),
        bank_reference=compared(refs.acct_svcr or entry.refs.acct_svcr),
        bank_code=str(entry.bank_code)[:60],
        return_reason=(detail.return_reason if detail else "")[:40],
        reversal=entry.reversal,
        counterparty=counterparty_index(number_of_other, organisation_id=account.organisation_id),
        text=_text(entry, part),
        fingerprint=fingerprint,
    )
    line.state = state_of_line(line, account, final=source.final)
    return line


def state_of_line(line: StatementLine, account: BankAccount, *, final: bool) -> str:
    """Say whether a line counts: booked, in a final statement, an amount in the account's currency."""
    counts = final and line.status == BOOKED and line.amount_minor != 0 and line.currency == account.currency
    return (LineState.OPEN if counts else LineState.PROVISIONAL).value


def _text(entry: StatementEntry, part: OpenedLine) -> str | None:
    """Gather what the bank wrote in words, shortened to what a row may hold."""
    told = part.detail or entry
    words = {
        "name": told.counterparty_name,
        "account": told.counterparty_iban,
        "remittance": told.remittance_unstructured,
        "info": entry.info,
    }
    kept = {name: value[: TEXT_MAX // 5] for name, value in words.items() if value}
    return json.dumps(kept, ensure_ascii=False) if kept else None


def booking_dates(entries: tuple[StatementEntry, ...]) -> Iterator[tuple[date, int | None]]:
    """Yield each date that entries speak of as booked, with the line of the file."""
    for entry in entries:
        if entry.booking_date is not None:
            yield entry.booking_date, entry.line
