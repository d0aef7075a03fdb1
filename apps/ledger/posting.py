"""The call of the posting function: drafts to arrays, arrays to results. One round trip a batch.

Arrays are written as PostgreSQL literals by hand: a list of one number costs the driver's adapter more
than the whole of a simple journal costs here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from apps.ledger.domain import (
    Action,
    CaptureDraft,
    Draft,
    HoldDraft,
    IncreaseDraft,
    JournalDraft,
    Posting,
    ReleaseDraft,
    Result,
    ResultCode,
    ReversalDraft,
    metadata_text,
)

_TYPES = (
    "timestamptz", "uuid[]", "uuid[]", "text[]", "date[]", "text[]", "text[]", "jsonb[]", "int[]",
    "bigint[]", "bigint[]", "bigint[]", "text[]", "boolean[]", "numeric[]",
    "smallint[]", "bigint[]", "smallint[]", "bigint[]", "bigint[]", "bigint[]", "bigint[]",
    "text[]", "timestamptz[]", "boolean[]", "int[]", "bigint[]", "bigint[]", "bigint[]", "bigint[]",
)  # fmt: skip
_PLAIN = 13
"""How many parameters a batch of plain journals needs; the others keep their default, NULL."""

_BIGINT_MAX = 2**63 - 1


def _statement(count: int) -> str:
    holes = ", ".join(f"%s::{kind}" for kind in _TYPES[:count])
    return f"SELECT codes, seqs, facts FROM ledger.post({holes})"


_PLAIN_STATEMENT, _FULL_STATEMENT = _statement(_PLAIN), _statement(len(_TYPES))


def call(drafts: Sequence[Draft]) -> list[Result]:
    """Post a batch in the open transaction (or in one of its own) and return a result for each item.

    Raises OperationalError (40001) when another call claims one of the keys at the same moment.
    """
    if not drafts:
        return []
    plain = all(type(d) is JournalDraft and not (d.linked or d.rate or d.conditions) for d in drafts)
    parameters = _plain_parameters(drafts)
    if not plain:
        parameters += _further_parameters(drafts)
    with connection.cursor() as cursor:
        cursor.execute(_PLAIN_STATEMENT if plain else _FULL_STATEMENT, parameters)
        codes, seqs, facts = cursor.fetchone()
    if facts is None:
        return [Result(ResultCode(code), seq) for code, seq in zip(codes, seqs, strict=True)]
    told = json.loads(facts) if isinstance(facts, str) else facts
    return [
        Result(ResultCode(code), seq, told.get(str(place), {}))
        for place, (code, seq) in enumerate(zip(codes, seqs, strict=True), start=1)
    ]


def _plain_parameters(drafts: Sequence[Draft]) -> list[Any]:
    postings = [_postings_of(draft) for draft in drafts]
    lines = [line for item in postings for line in item]
    moments = [draft.at for draft in drafts if draft.at is not None]
    metadata = [metadata_text(draft.metadata) for draft in drafts]
    return [
        max(moments) if moments else None,
        _literal(str(draft.organisation_id) for draft in drafts),
        _literal(str(draft.key) for draft in drafts),
        _texts(draft.kind for draft in drafts),
        _literal(draft.effective_date.isoformat() for draft in drafts),
        _texts(draft.actor for draft in drafts),
        _texts(draft.reference for draft in drafts),
        _texts(metadata) if any(text is not None for text in metadata) else None,
        _literal(str(len(item)) for item in postings),
        _numbers(line.debit for line in lines),
        _numbers(line.credit for line in lines),
        _numbers(line.amount.minor for line in lines),
        _literal(line.amount.currency for line in lines),
    ]


def _further_parameters(drafts: Sequence[Draft]) -> list[Any]:
    rows = [_further_of(draft) for draft in drafts]
    lines = [line for draft in drafts for line in _postings_of(draft)]
    checks = [(place, c) for place, draft in enumerate(drafts, start=1) for c in draft.conditions]
    return [
        _literal("t" if draft.linked else "f" for draft in drafts),
        _literal(
            str(rate) if (rate := getattr(draft, "rate", None)) is not None else "NULL" for draft in drafts
        ),
        _numbers(row.action for row in rows),
        _numbers(row.reverses for row in rows),
        _numbers(line.reverses_line for line in lines),
        _numbers(row.hold for row in rows),
        _numbers(row.account for row in rows),
        _numbers(row.counter for row in rows),
        _numbers(row.amount for row in rows),
        _literal(row.currency or "NULL" for row in rows),
        _moments(row.expires for row in rows),
        _literal("t" if row.final else "f" for row in rows),
        _literal(str(place) for place, _ in checks),
        _numbers(c.account_id for _, c in checks),
        _numbers(c.version for _, c in checks),
        _numbers(c.available_minor_min for _, c in checks),
        _numbers(c.available_minor_max for _, c in checks),
    ]


def _postings_of(draft: Draft) -> tuple[Posting, ...]:
    return draft.postings if isinstance(draft, (JournalDraft, CaptureDraft, ReversalDraft)) else ()


class _Further(NamedTuple):
    """What an item says beyond its postings."""

    action: Action
    reverses: int | None = None
    hold: int | None = None
    account: int | None = None
    counter: int | None = None
    amount: int | None = None
    currency: str | None = None
    expires: datetime | None = None
    final: bool = False


def _further_of(draft: Draft) -> _Further:
    match draft:
        case HoldDraft(account_id=account, counter_id=counter, amount=amount, expires_at=expires):
            return _Further(
                Action.HOLD, account=account, counter=counter, amount=amount.minor,
                currency=amount.currency, expires=expires,
            )  # fmt: skip
        case IncreaseDraft(hold_id=hold, amount=amount, expires_at=expires):
            return _Further(
                Action.INCREASE, hold=hold, amount=amount.minor, currency=amount.currency, expires=expires
            )
        case CaptureDraft(hold_id=hold, final=final):
            return _Further(Action.CAPTURE, hold=hold, final=final)
        case ReleaseDraft(hold_id=hold, amount_minor=amount_minor, expired=expired):
            return _Further(Action.EXPIRE if expired else Action.RELEASE, hold=hold, amount=amount_minor)
        case ReversalDraft(reverses_seq=seq):
            return _Further(Action.REVERSE, reverses=seq)
    return _Further(Action.POST)


def _literal(items: Iterable[str]) -> str:
    return "{" + ",".join(items) + "}"


def _numbers(items: Iterable[int | None]) -> str:
    # A number beyond bigint would be a database error: as a null it is refused as an unknown account.
    return _literal(
        "NULL" if item is None or not -_BIGINT_MAX <= item <= _BIGINT_MAX else str(int(item))
        for item in items
    )


def _moments(items: Iterable[datetime | None]) -> str:
    return _literal("NULL" if item is None else f'"{item.isoformat()}"' for item in items)


def _texts(items: Iterable[str | None]) -> str:
    return _literal(
        "NULL" if item is None else '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for item in items
    )
