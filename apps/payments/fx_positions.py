"""What the operator is long or short of in each currency, and which part of it payments explain."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from apps.accounts import public as accounts
from apps.core.money import EXPONENTS, Money
from apps.ledger import public as ledger
from apps.payments.fx_books import ENDED_BADLY

READS, PAGE = 3, 100

_OF_PAYMENTS = """
    SELECT currency, sum(minor) FROM (
        SELECT q.sold_currency AS currency, q.sold_minor - q.spread_minor AS minor
          FROM payments_payment p JOIN payments_fxquote q ON q.id = p.quote_id WHERE p.state <> ALL(%s)
        UNION ALL
        SELECT q.bought_currency, -q.bought_minor
          FROM payments_payment p JOIN payments_fxquote q ON q.id = p.quote_id WHERE p.state <> ALL(%s)
    ) AS legs GROUP BY currency
"""


@dataclass(frozen=True, slots=True)
class Position:
    """A currency: above zero we are long. `other` is moved by no payment, such as a hedge booked by hand."""

    currency: str
    position: Money
    of_payments: Money
    spreads: Money
    fees: Money

    @property
    def other(self) -> Money:
        """Return the part that payments do not explain."""
        return self.position - self.of_payments


def positions() -> list[Position]:
    """Return every currency that was ever exchanged. Needs the platform's scope.

    Books and payments are read one after the other; a payment between the two is met by reading again.
    """
    found = _read()
    for _ in range(READS - 1):
        if not any(one.other.minor for one in found):
            break
        found = _read()
    return found


def _read() -> list[Position]:
    over = sorted(state.value for state in ENDED_BADLY)
    with connection.cursor() as cursor:
        cursor.execute(_OF_PAYMENTS, [over, over])
        explained = {currency: int(minor) for currency, minor in cursor.fetchall()}
    operator_id = accounts.operator().pk
    codes = {
        (part, currency): f"fx_{part}:{currency}"
        for currency in EXPONENTS
        for part in ("position", "spread", "fees")
    }
    known = _chart(operator_id)
    wanted = {key: known[code] for key, code in codes.items() if code in known}
    balances = ledger.balances(list(wanted.values()))
    posted = {key: balances[number].posted for key, number in wanted.items()}
    return [
        Position(
            currency,
            Money(posted.get(("position", currency), 0), currency),
            Money(explained.get(currency, 0), currency),
            Money(posted.get(("spread", currency), 0), currency),
            Money(posted.get(("fees", currency), 0), currency),
        )
        for currency in sorted({currency for _, currency in posted} | set(explained))
    ]


def _chart(operator_id: UUID) -> dict[str, int]:
    """Return the ledger accounts of the operator by their codes."""
    known: dict[str, int] = {}
    after = ""
    while page := ledger.accounts_of(operator_id, after=after, limit=PAGE):
        known |= {row.code: row.id for row in page}
        after = page[-1].code
    return known
