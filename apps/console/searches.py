"""What the search field finds besides public ids: IBANs, end-to-end ids, references, amounts, journals."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core import clock
from apps.core.errors import Refusal
from apps.core.ids import public_id
from apps.core.money import EXPONENTS, Money
from apps.core.registries import SEARCHES, SearchHit
from apps.payments import public as payments

HITS = 10
AMOUNTS_SINCE = timedelta(days=90)
_AMOUNT = re.compile(r"(?P<amount>[0-9][0-9,. ]*?) ?(?P<currency>[A-Za-z]{3})?")


def _payment_hit(row: payments.Payment) -> SearchHit:
    text = public_id("pay", row.id)
    return SearchHit(
        "Payment",
        text,
        f"{row.kind} of {row.amount}, {row.state}, {row.end_to_end_id}",
        f"/console/payments/{text}/",
    )


def by_payment_reference(text: str) -> list[SearchHit]:
    """Find payments by their whole end-to-end id."""
    return [
        _payment_hit(row) for row in payments.payments().filter(end_to_end_id=text).order_by("-id")[:HITS]
    ]


def by_iban(text: str) -> list[SearchHit]:
    """Find one of our accounts by its IBAN, however it is spaced."""
    try:
        row = accounts.payment_account_by_iban(accounts.clean_iban(text))
    except Refusal:
        return []
    if row is None:
        return []
    title = f"{accounts.masked_iban(row.iban)} {row.label}".strip()
    return [SearchHit("Payment account", row.public_id, title, f"/console/accounts/{row.public_id}/")]


def by_amount(text: str) -> list[SearchHit]:
    """Find recent payments of exactly this amount: 1234.56, 1,234.56 or 1234.56 EUR."""
    match = _AMOUNT.fullmatch(text)
    if match is None or not ("." in text or match["currency"]):
        return []
    plain = match["amount"].replace(",", "").replace(" ", "")
    currencies = [match["currency"].upper()] if match["currency"] else ["EUR"]
    wanted = [money for money in (_money(plain, code) for code in currencies) if money]
    since = UUID(int=int((clock.database_now() - AMOUNTS_SINCE).timestamp() * 1000) << 80)
    return [
        _payment_hit(row)
        for money in wanted
        for row in _recent(since)
        .filter(amount_minor=money.minor, currency=money.currency)
        .order_by("-id")[:HITS]
    ]


def _recent(since: UUID) -> Any:
    """Return what was ordered since: keys are ordered by time."""
    return payments.payments().filter(id__gte=since)


def _money(text: str, currency: str) -> Money | None:
    try:
        return Money.parse(text, currency) if currency in EXPONENTS else None
    except Refusal:
        return None


SEARCHES.register("console.end_to_end", by_payment_reference)
SEARCHES.register("console.iban", by_iban)
SEARCHES.register("console.amount", by_amount)
