"""What a bank says happened: one model for camt.052/053/054, MT940/942 and BAI2.

Amounts are signed from the account holder's view: a credit is positive, a debit negative, exactly as
the bank marked them. Nothing is repaired here; what does not add up is said in `Proof`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from apps.core.money import Money
from apps.payments.formats.amounts import in_range, is_currency, read_amount
from apps.payments.formats.errors import Finding, FormatError

BOOKED, PENDING, INFORMATION = "BOOK", "PDNG", "INFO"
OPENING_CODES, CLOSING_CODES = ("OPBD", "PRCD"), ("CLBD",)


@dataclass(frozen=True, slots=True)
class Balance:
    """A balance of a type (ISO code: OPBD, CLBD, ITBD, CLAV …), signed, at a date."""

    code: str
    amount: Money
    at_date: date | None = None


@dataclass(frozen=True, slots=True)
class References:
    """The references an entry carries; empty text where the bank gave none."""

    end_to_end: str = ""
    tx: str = ""
    instr: str = ""
    pmtinf: str = ""
    msg: str = ""
    mandate: str = ""
    acct_svcr: str = ""
    ntry: str = ""
    clearing: str = ""
    uetr: str = ""
    cheque: str = ""


@dataclass(frozen=True, slots=True)
class BankCode:
    """Why the bank booked it: ISO domain, family and sub-family, or its own code."""

    domain: str = ""
    family: str = ""
    sub_family: str = ""
    proprietary: str = ""

    def __str__(self) -> str:
        iso = "/".join(part for part in (self.domain, self.family, self.sub_family) if part)
        return iso or self.proprietary


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge, signed (a cost is negative). `included` says whether it is inside the entry's amount."""

    amount: Money
    included: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EntryDetail:
    """One transaction inside an entry."""

    amount: Money | None
    refs: References = References()
    bank_code: BankCode = BankCode()
    counterparty_name: str = ""
    counterparty_iban: str = ""
    remittance_unstructured: str = ""
    remittance_structured: str = ""
    return_reason: str = ""
    purpose: str = ""
    instructed: Money | None = None
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One line of a statement. `position` counts from 1; `line` is the line of the file.

    Where the entry holds exactly one detail, its references, counterparty and remittance are the
    detail's. `occurrence` tells identical entries of one statement apart.
    """

    position: int
    amount: Money
    status: str
    booking_date: date | None
    value_date: date | None
    refs: References = References()
    bank_code: BankCode = BankCode()
    reversal: bool = False
    return_reason: str = ""
    counterparty_name: str = ""
    counterparty_iban: str = ""
    remittance_unstructured: str = ""
    remittance_structured: str = ""
    charges: tuple[Charge, ...] = ()
    details: tuple[EntryDetail, ...] = ()
    batch_count: int | None = None
    info: str = ""
    line: int | None = None
    occurrence: int = 1

    def fingerprint(self, account: str) -> str:
        """Return a stable key of what the entry says (hex SHA-256), scoped to account and booking date.

        The bank's own reference decides if there is one, else the content; `occurrence` keeps two
        genuinely identical entries apart. The same entry in an overlapping statement gets the same key.
        """
        return hashlib.sha256(
            "\x1f".join((*self._identity(account), str(self.occurrence))).encode()
        ).hexdigest()

    def _identity(self, account: str) -> tuple[str, ...]:
        booked = str(self.booking_date or self.value_date or "")
        base = (account, booked, str(self.amount.minor), self.amount.currency, self.status)
        if self.refs.acct_svcr:
            return (*base, "ref", self.refs.acct_svcr)
        refs = (self.refs.end_to_end, self.refs.tx, self.refs.instr, self.refs.pmtinf, self.refs.ntry)
        content = (self.counterparty_name, self.counterparty_iban, self.remittance_unstructured, self.info)
        return (*base, "content", str(self.value_date or ""), str(self.bank_code), *refs, *content)

    def detail_gap(self) -> Money | None:
        """Return what the details leave unexplained of the amount, or None if they cannot be summed."""
        amounts = [detail.amount for detail in self.details]
        if not amounts or any(a is None or a.currency != self.amount.currency for a in amounts):
            return None
        gap = self.amount.minor - sum(a.minor for a in amounts if a is not None)
        return Money(gap, self.amount.currency) if in_range(gap) else None


@dataclass(frozen=True, slots=True)
class OpenedLine:
    """A part of an entry that is matched on its own: a detail, a charge, or the whole entry."""

    amount: Money
    kind: str
    refs: References
    detail: EntryDetail | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What the bank says its entries count and sum up to (absolute amounts)."""

    entries: int | None = None
    credits: int | None = None
    credit_sum: str = ""
    debits: int | None = None
    debit_sum: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether opening + booked entries = closing, and if that is not shown, why."""

    proven: bool
    reasons: tuple[str, ...] = ()
    opening: Money | None = None
    booked: Money | None = None
    closing: Money | None = None

    def __str__(self) -> str:
        return "proven" if self.proven else "unproven"


@dataclass(frozen=True, slots=True)
class Statement:
    """One account's statement, report or advice. `kind` is statement, interim or advice."""

    id: str
    kind: str
    account: str
    iban: str
    currency: str
    sequence: str = ""
    legal_sequence: str = ""
    page: int = 1
    last_page: bool = True
    created_at: datetime | None = None
    from_date: date | None = None
    to_date: date | None = None
    bank_bic: str = ""
    balances: tuple[Balance, ...] = ()
    entries: tuple[StatementEntry, ...] = ()
    summary: Summary = Summary()
    findings: tuple[Finding, ...] = ()
    line: int | None = None

    def balance(self, *codes: str) -> Balance | None:
        """Return the first balance of the first code the statement holds."""
        return next((b for code in codes for b in self.balances if b.code == code), None)

    @property
    def opening(self) -> Money | None:
        """Return the opening booked balance (OPBD, else the previous closing PRCD)."""
        found = self.balance(*OPENING_CODES)
        return found.amount if found else None

    @property
    def closing(self) -> Money | None:
        """Return the closing booked balance (CLBD); it is the last one if a bank repeats it."""
        found = [b for b in self.balances if b.code in CLOSING_CODES]
        return found[-1].amount if found else None

    @property
    def booked(self) -> tuple[StatementEntry, ...]:
        """Return the booked entries only: pending and informational ones move no balance."""
        return tuple(entry for entry in self.entries if entry.status == BOOKED)

    @property
    def proof(self) -> Proof:
        """Check the footing and say whether this statement proves the day."""
        return prove(self)


@dataclass(frozen=True, slots=True)
class StatementFile:
    """A file of statements. `format` is the message's name; `sha256` identifies the bytes."""

    format: str
    message_id: str
    created_at: datetime | None
    statements: tuple[Statement, ...]
    sha256: str = ""
    findings: tuple[Finding, ...] = field(default=())


def prove(statement: Statement) -> Proof:
    """Decide whether opening + BOOK entries = closing, in one currency, on a final statement.

    Reasons: provisional (camt.052, MT942), advice_only (camt.054), more_pages, balances_missing,
    mixed_currencies, sum_out_of_range, balances_do_not_foot, reversal_signs_suspected, summary_disagrees.
    """
    tally = EntryTally()
    for entry in statement.entries:
        tally.add(entry)
    return tally.proof(statement)


class EntryTally:
    """Sums over the entries of one statement, kept while they pass by, so that none need be held."""

    def __init__(self) -> None:
        self.entries = self.credits = self.debits = self.details = 0
        self.credit_minor = self.debit_minor = self.booked_minor = self.flipped_minor = 0
        self.reversals = 0
        self.currencies: set[str] = set()
        self.statuses: Counter[str] = Counter()

    def add(self, entry: StatementEntry) -> None:
        """Count an entry."""
        minor = entry.amount.minor
        self.entries += 1
        self.details += len(entry.details)
        self.currencies.add(entry.amount.currency)
        self.statuses[entry.status] += 1
        if minor >= 0:
            self.credits, self.credit_minor = self.credits + 1, self.credit_minor + minor
        else:
            self.debits, self.debit_minor = self.debits + 1, self.debit_minor - minor
        if entry.status == BOOKED:
            self.booked_minor += minor
            self.flipped_minor += -minor if entry.reversal else minor
            self.reversals += entry.reversal

    def proof(self, statement: Statement) -> Proof:
        """Decide, from the sums, whether the statement proves the day."""
        reasons = [reason for fails, reason in self._structural_doubts(statement) if fails]
        opening, closing = statement.opening, statement.closing
        if "mixed_currencies" in reasons or not in_range(self.booked_minor):
            return Proof(False, tuple(reasons) or ("sum_out_of_range",), opening, None, closing)
        booked = Money(self.booked_minor, statement.currency)
        if opening is not None and closing is not None and opening.minor + booked.minor != closing.minor:
            reasons.append("balances_do_not_foot")
            # Some banks keep the original direction on a reversal instead of the booking's.
            if self.reversals and opening.minor + self.flipped_minor == closing.minor:
                reasons.append("reversal_signs_suspected")
        if not self.agrees(statement.summary, statement.currency):
            reasons.append("summary_disagrees")
        return Proof(not reasons, tuple(reasons), opening, booked, closing)

    def _structural_doubts(self, statement: Statement) -> list[tuple[bool, str]]:
        currencies = {balance.amount.currency for balance in statement.balances} | self.currencies
        missing = statement.kind == "statement" and (statement.opening is None or statement.closing is None)
        return [
            (statement.kind == "interim", "provisional"),
            (statement.kind == "advice", "advice_only"),
            (not statement.last_page or statement.page > 1, "more_pages"),
            (missing, "balances_missing"),
            (
                bool(currencies - {statement.currency}) or not is_currency(statement.currency),
                "mixed_currencies",
            ),
        ]

    def agrees(self, said: Summary, currency: str) -> bool:
        """Tell whether the bank's own counts and sums (TxsSummry, :90C:/:90D:) fit the entries."""
        counts = ((said.entries, self.entries), (said.credits, self.credits), (said.debits, self.debits))
        sums = ((said.credit_sum, self.credit_minor), (said.debit_sum, self.debit_minor))
        return all(told is None or told == found for told, found in counts) and all(
            not told or _minor_or_none(told, currency) == found for told, found in sums
        )


def _minor_or_none(written: str, currency: str) -> int | None:
    try:
        return read_amount(written, currency).minor
    except FormatError:
        return None


def number_occurrences(entries: Iterable[StatementEntry], account: str) -> tuple[StatementEntry, ...]:
    """Number entries that say the same thing: 1, 2, … in the order the bank lists them."""
    seen: Counter[tuple[str, ...]] = Counter()
    numbered = []
    for entry in entries:
        identity = entry._identity(account)
        seen[identity] += 1
        numbered.append(entry if seen[identity] == 1 else replace(entry, occurrence=seen[identity]))
    return tuple(numbered)


def open_entry(entry: StatementEntry) -> tuple[OpenedLine, ...]:
    """Open an entry into parts that sum to its amount: its details, and charges as lines of their own.

    A detail that says "instructed 10.00, charged 5.50, booked 15.50" becomes two lines. Where the
    details leave a gap that the charges do not explain, the entry stays whole.
    """
    whole = (OpenedLine(entry.amount, "entry", entry.refs),)
    gap = entry.detail_gap()
    if gap is None:
        return whole
    lines = [line for detail in entry.details for line in _open_detail(detail)]
    if gap.minor:
        if _charge_sum(_charges(entry), gap.currency) != gap.minor:
            return whole
        lines.append(OpenedLine(gap, "charge", entry.refs))
    return tuple(lines) if len(lines) > 1 else whole


def _open_detail(detail: EntryDetail) -> list[OpenedLine]:
    if detail.amount is None:
        return []
    amount, instructed = detail.amount, detail.instructed
    if instructed is not None and instructed.currency == amount.currency and detail.charges:
        signed = -instructed if amount.minor < 0 else instructed
        rest = amount - signed
        if rest.minor and rest.minor == _charge_sum(detail.charges, rest.currency):
            return [
                OpenedLine(signed, "detail", detail.refs, detail),
                OpenedLine(rest, "charge", detail.refs),
            ]
    return [OpenedLine(amount, "detail", detail.refs, detail)]


def _charge_sum(charges: tuple[Charge, ...], currency: str) -> int:
    return sum(charge.amount.minor for charge in charges if charge.amount.currency == currency)


def _charges(entry: StatementEntry) -> tuple[Charge, ...]:
    return entry.charges or tuple(charge for detail in entry.details for charge in detail.charges)
