"""Journals as T-accounts: how the books are drawn on pages. Reads through the ledger's door alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.core.money import Money
from apps.ledger import public as ledger

DEBIT_SIDE = frozenset({ledger.AccountKind.ASSET, ledger.AccountKind.EXPENSE})
"""Kinds of account that grow by debits."""


@dataclass
class TAccount:
    """An account with what journals put on either side of it."""

    account: ledger.LedgerAccount
    debits: list[tuple[int, Money]] = field(default_factory=list)  # journal, amount
    credits: list[tuple[int, Money]] = field(default_factory=list)


def t_accounts(journals: list[ledger.Journal]) -> list[TAccount]:
    """Draw the accounts that the journals touch, in the order they are touched."""
    drawn: dict[int, TAccount] = {}
    for journal in journals:
        for line in journal.postings:
            amount = Money(line.amount_minor, line.currency)
            _side(drawn, line.debit_id).debits.append((journal.seq, amount))
            _side(drawn, line.credit_id).credits.append((journal.seq, amount))
    return list(drawn.values())


def _side(drawn: dict[int, TAccount], account_id: int) -> TAccount:
    if account_id not in drawn:
        drawn[account_id] = TAccount(ledger.account(account_id))
    return drawn[account_id]


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A posting of a journal, or what a journal without postings did to a hold, for a list."""

    journal: ledger.Journal
    amount: Money | None
    debit: ledger.LedgerAccount | None = None
    credit: ledger.LedgerAccount | None = None
    holder: ledger.LedgerAccount | None = None


def journal_rows(journals: list[ledger.Journal]) -> list[JournalRow]:
    """Spread journals over rows, one a posting, with the accounts' names."""
    known: dict[int, ledger.LedgerAccount] = {}

    def named(account_id: int) -> ledger.LedgerAccount:
        if account_id not in known:
            known[account_id] = ledger.account(account_id)
        return known[account_id]

    rows: list[JournalRow] = []
    for journal in journals:
        for line in journal.postings:
            amount = Money(line.amount_minor, line.currency)
            rows.append(JournalRow(journal, amount, named(line.debit_id), named(line.credit_id)))
        if not journal.postings:
            rows.append(_held(journal, named(journal.hold_account_id) if journal.hold_account_id else None))
    return rows


def _held(journal: ledger.Journal, holder: ledger.LedgerAccount | None) -> JournalRow:
    minor = journal.hold_delta_minor
    amount = Money(abs(minor), holder.currency) if holder and minor is not None else None
    return JournalRow(journal, amount, holder=holder)


def natural(balance_minor: int, kind: ledger.AccountKind) -> int:
    """Turn credits minus debits into the sign bookkeepers expect on the account's normal side."""
    return -balance_minor if kind in DEBIT_SIDE else balance_minor


def balances_out(journal: ledger.Journal) -> bool:
    """Check the journal's sums again: debits equal credits in each currency, side by side."""
    sums: dict[tuple[str, str], int] = {}
    for line in journal.postings:
        for side, account_id in (("debit", line.debit_id), ("credit", line.credit_id)):
            if account_id:
                sums[side, line.currency] = sums.get((side, line.currency), 0) + line.amount_minor
    currencies = {currency for _, currency in sums}
    return all(sums.get(("debit", one)) == sums.get(("credit", one)) for one in currencies)
