"""Reads of the books: accounts, balances now and then, statements, journals, the trial balance.

Every read is one statement with an index behind it, and sees what the transaction's scope allows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core.errors import Invalid
from apps.ledger.domain import AccountKind, Action
from apps.ledger.errors import MomentArchived, UnknownAccount, UnknownHold, UnknownJournal

PAGE_MAX = 1_000
_BIGINT_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    """An account of the chart."""

    id: int
    organisation_id: UUID
    code: str
    name: str
    kind: AccountKind
    currency: str
    parent_id: int | None
    shared: bool
    clearing: bool


@dataclass(frozen=True, slots=True)
class Balance:
    """A balance in minor units, credits minus debits; `available` is posted less what open holds reserve."""

    account_id: int
    currency: str
    posted: int
    held: int
    floor: int | None
    ceiling: int | None
    version: int
    frozen: bool
    closed: bool

    @property
    def available(self) -> int:
        """Return what may be spent down to a balance of zero; the floor is told apart."""
        return self.posted - self.held


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a posting as an account sees it: `amount_minor` is positive for a credit."""

    seq: int
    line: int
    version: int
    amount_minor: int
    after_minor: int
    counter_id: int
    recorded_at: datetime
    kind: str
    effective_date: date
    actor: str
    reference: str
    metadata: dict[str, Any] | None
    reverses_seq: int | None

    @property
    def cursor(self) -> str:
        """Return the place of this entry, for the next page."""
        return f"{self.recorded_at.isoformat()}/{self.version}"


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One posting of a journal as it stands in the books."""

    line: int
    debit_id: int
    credit_id: int
    amount_minor: int
    currency: str
    debit_version: int
    credit_version: int
    debit_after_minor: int
    credit_after_minor: int
    reverses_line: int | None


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal as it stands in the books."""

    seq: int
    organisation_id: UUID
    key: UUID
    action: Action
    kind: str
    effective_date: date
    recorded_at: datetime
    actor: str
    reference: str
    metadata: dict[str, Any] | None
    rate: str | None
    reverses_seq: int | None
    hold_id: int | None
    hold_account_id: int | None
    hold_delta_minor: int | None
    postings: tuple[JournalLine, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """A reserved amount: `remaining` is what can still be captured or released."""

    id: int
    account_id: int
    counter_id: int
    currency: str
    amount_minor: int
    captured_minor: int
    released_minor: int
    expires_at: datetime | None
    reference: str

    @property
    def remaining_minor(self) -> int:
        """Return what is left of the hold."""
        return self.amount_minor - self.captured_minor - self.released_minor


@dataclass(frozen=True, slots=True)
class TrialBalanceRow:
    """One account of the trial balance: either `debit_minor` or `credit_minor` is zero."""

    account_id: int
    organisation_id: UUID
    code: str
    name: str
    kind: AccountKind
    currency: str
    debit_minor: int
    credit_minor: int


@dataclass(frozen=True, slots=True)
class Residue:
    """What stands on an account that should be zero, and since which journal."""

    account_id: int
    organisation_id: UUID
    code: str
    name: str
    currency: str
    posted_minor: int
    since: datetime | None
    since_seq: int | None


def rows(statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def from_json(value: Any) -> Any:
    """Return a jsonb column as data (Django's connection hands it over as text)."""
    return json.loads(value) if isinstance(value, str) else value


def known(account_id: int) -> int:
    """Return an id that can be one. Raises UnknownAccount for a number beyond bigint."""
    if type(account_id) is not int or not 0 < account_id <= _BIGINT_MAX:
        raise UnknownAccount(account=str(account_id)[:24])
    return account_id


_ACCOUNT = (
    "SELECT id, organisation_id, code, name, kind, currency, parent_id, shared, clearing FROM ledger.account"
)


def account(account_id: int) -> LedgerAccount:
    """Return an account of the scope, or a shared one. Raises UnknownAccount."""
    found = rows(f"{_ACCOUNT} WHERE id = %s", [known(account_id)])
    if not found:
        raise UnknownAccount(account=account_id)
    return _account(found[0])


def account_by_code(organisation_id: UUID, code: str) -> LedgerAccount:
    """Return an organisation's account by its code. Raises UnknownAccount."""
    found = rows(f"{_ACCOUNT} WHERE organisation_id = %s AND code = %s", [organisation_id, code])
    if not found:
        raise UnknownAccount(code=code)
    return _account(found[0])


def accounts_of(organisation_id: UUID, *, after: str = "", limit: int = 100) -> list[LedgerAccount]:
    """Return a page of an organisation's chart, in the order of codes."""
    found = rows(
        f"{_ACCOUNT} WHERE organisation_id = %s AND code > %s ORDER BY code LIMIT %s",
        [organisation_id, after, _page(limit)],
    )
    return [_account(row) for row in found]


def _account(row: tuple[Any, ...]) -> LedgerAccount:
    values = (*row[:4], AccountKind(row[4]), *row[5:])
    return LedgerAccount(*values)


# An expired hold never counts, whether or not the job has released it yet.
_BALANCE = """
    SELECT b.account_id, b.currency, b.posted,
           CASE WHEN b.held = 0 THEN 0 ELSE b.held - coalesce(
               (SELECT sum(h.remaining) FROM ledger.hold h WHERE h.account_id = b.account_id
                   AND h.amount - h.captured - h.released > 0 AND h.expires_at <= clock_timestamp()), 0)::bigint END,
           b.floor, b.ceiling, b.version, b.frozen_version IS NOT NULL, b.closed
      FROM ledger.balance b"""


def balance(account_id: int) -> Balance:
    """Return an account's balance now. Raises UnknownAccount."""
    found = rows(f"{_BALANCE} WHERE b.account_id = %s", [known(account_id)])
    if not found:
        raise UnknownAccount(account=account_id)
    return Balance(*found[0])


def balances(account_ids: Sequence[int]) -> dict[int, Balance]:
    """Return the balances of those of the accounts that the scope shows, in one read."""
    if len(account_ids) > 10_000:
        raise Invalid(field="account_ids", count_max=10_000)
    found = rows(f"{_BALANCE} WHERE b.account_id = ANY(%s)", [[known(one) for one in account_ids]])
    return {row[0]: Balance(*row) for row in found}


def balance_at(
    account_id: int, *, recorded_at: datetime | None = None, effective_date: date | None = None
) -> int:
    """Return what was posted, in minor units: as recorded until a moment, or effective through a day.

    Exactly one of the two is given. Both are exact, at whatever age. Raises UnknownAccount.
    """
    if (recorded_at is None) == (effective_date is None):
        raise Invalid(field="recorded_at", reason="either recorded_at or effective_date")
    if recorded_at is not None:
        found = rows(
            "SELECT posted, version FROM ledger.balance_recorded(%s, %s)", [known(account_id), recorded_at]
        )
        if found[0][1] == -1:
            raise MomentArchived(account=account_id)
    else:
        found = rows("SELECT ledger.balance_effective(%s, %s)", [known(account_id), effective_date])
    if found[0][0] is None:
        raise UnknownAccount(account=account_id)
    return int(found[0][0])


def statement(
    account_id: int, *, after: str | None = None, limit: int = 100, newest_first: bool = False
) -> list[Entry]:
    """Return a page of entries in the order of versions; `after` is the `cursor` of the latest entry seen.

    Raises UnknownAccount, Invalid for a cursor that is none.
    """
    moment, version = _place(after)
    columns = (
        "seq, line, version, amount, after, counter_id, recorded_at, kind, effective_date, actor, reference, "
        "metadata, reverses_seq"
    )
    found = rows(
        f"SELECT {columns} FROM ledger.entries(%s, %s, %s, %s, %s)",
        [known(account_id), moment, version, newest_first, _page(limit)],
    )
    if not found:
        balance(account_id)  # an account without entries, or none at all?
    return [Entry(*entry) for entry in ((*row[:11], from_json(row[11]), row[12]) for row in found)]


def _place(cursor: str | None) -> tuple[datetime | None, int | None]:
    if cursor is None:
        return None, None
    try:
        moment, version = cursor.rsplit("/", 1)
        return datetime.fromisoformat(moment), int(version[:19])
    except ValueError:
        raise Invalid(field="after", reason="not a cursor") from None


def _page(limit: int) -> int:
    if not 1 <= limit <= PAGE_MAX:
        raise Invalid(field="limit", limit_max=PAGE_MAX)
    return limit


_JOURNAL = """SELECT seq, organisation_id, key, action, kind, effective_date, recorded_at, actor, reference,
    metadata, rate::text, reverses_seq, hold_id, hold_account_id, hold_delta FROM ledger.journal"""
_LINES = """SELECT seq, line, debit_id, credit_id, amount, currency, debit_version, credit_version, debit_after,
    credit_after, reverses_line FROM ledger.posting WHERE seq = ANY(%s) ORDER BY seq, line"""


def journal(seq: int) -> Journal:
    """Return a journal with its postings. Raises UnknownJournal."""
    if type(seq) is not int or not 0 < seq <= _BIGINT_MAX:
        raise UnknownJournal(seq=str(seq)[:24])
    found = _journals(rows(f"{_JOURNAL} WHERE seq = %s", [seq]))
    if not found:
        raise UnknownJournal(seq=seq)
    return found[0]


def journals_by_reference(reference: str, *, limit: int = 100) -> list[Journal]:
    """Return the journals that carry a reference, such as a payment's public id, oldest first."""
    if not reference:
        return []
    return _journals(
        rows(
            f"{_JOURNAL} WHERE reference = %s AND reference <> '' ORDER BY seq LIMIT %s",
            [reference, _page(limit)],
        )
    )


def journals_after(seq: int, *, limit: int = 100) -> list[Journal]:
    """Return a page of journals by number, for lists."""
    return _journals(rows(f"{_JOURNAL} WHERE seq > %s ORDER BY seq LIMIT %s", [seq, _page(limit)]))


def latest_journals(*, before: int | None = None, limit: int = 50) -> list[Journal]:
    """Return a page of journals, newest first; `before` is the number of the last one seen."""
    return _journals(
        rows(f"{_JOURNAL} WHERE seq < %s ORDER BY seq DESC LIMIT %s", [before or _BIGINT_MAX, _page(limit)])
    )


def _journals(found: list[tuple[Any, ...]]) -> list[Journal]:
    lines: dict[int, list[JournalLine]] = {row[0]: [] for row in found}
    if found:
        for seq, *columns in rows(_LINES, [list(lines)]):
            lines[seq].append(JournalLine(*columns))
    whole = (
        (*row[:3], Action(row[3]), *row[4:9], from_json(row[9]), *row[10:], tuple(lines[row[0]]))
        for row in found
    )
    return [Journal(*values) for values in whole]


_HOLD = """SELECT id, account_id, counter_id, currency, amount, captured, released, expires_at, reference
    FROM ledger.hold"""


def hold(hold_id: int) -> Hold:
    """Return a hold. Raises UnknownHold."""
    found = rows(f"{_HOLD} WHERE id = %s", [hold_id]) if 0 < hold_id <= _BIGINT_MAX else []
    if not found:
        raise UnknownHold(hold=str(hold_id)[:24])
    return Hold(*found[0])


def open_holds(account_id: int, *, limit: int = 100) -> list[Hold]:
    """Return an account's open holds, the next to expire first."""
    found = rows(
        f"{_HOLD} WHERE account_id = %s AND amount - captured - released > 0"
        " ORDER BY expires_at NULLS LAST, id LIMIT %s",
        [known(account_id), _page(limit)],
    )
    return [Hold(*row) for row in found]


def trial_balance(*, organisation_id: UUID | None = None) -> list[TrialBalanceRow]:
    """Return every account that is not zero with its debit or credit balance, of the scope or one organisation."""
    found = rows(
        """SELECT a.id, a.organisation_id, a.code, a.name, a.kind, a.currency,
                  greatest(-b.posted, 0), greatest(b.posted, 0)
             FROM ledger.balance b JOIN ledger.account a ON a.id = b.account_id
            WHERE b.posted <> 0 AND (%s::uuid IS NULL OR b.organisation_id = %s::uuid)
            ORDER BY a.currency, a.code, a.id""",
        [organisation_id, organisation_id],
    )
    return [TrialBalanceRow(*line) for line in ((*row[:4], AccountKind(row[4]), *row[5:]) for row in found)]


def rollup(account_id: int) -> int:
    """Return what stands on an account and all below it, in minor units, as far as the log was followed."""
    account(account_id)
    found = rows("SELECT posted FROM ledger.rollup WHERE account_id = %s", [account_id])
    return found[0][0] if found else 0


def clearing_residues(*, clearing_only: bool = True) -> list[Residue]:
    """Return the clearing accounts of the scope that are not zero, the oldest residue first."""
    return [Residue(*row) for row in rows("SELECT * FROM ledger.residues(%s)", [clearing_only])]


def follower_lags() -> dict[str, float]:
    """Return, in seconds, how old the oldest row of the log is that each follower has not read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT f.name, coalesce(extract(epoch FROM clock_timestamp() - least("
            " (SELECT recorded_at FROM ledger.journal j WHERE j.seq > f.seq ORDER BY j.seq LIMIT 1),"
            " (SELECT recorded_at FROM ledger.account_event e WHERE e.seq > f.seq ORDER BY e.seq LIMIT 1))),"
            " 0)::float8 FROM ledger.follower f ORDER BY f.name"
        )
        return {name: round(max(lag_s, 0.0), 3) for name, lag_s in cursor.fetchall()}
