"""A bank, as its customers see it: takes payment files, answers with status reports and statements.

It knows nothing of the platform but the files. Time is an argument. Everything it remembers is one
JSON-able state, so that it can be stopped at any moment and go on. What a payment's remittance text
says makes it misbehave: `simulate:reject AC04` rejects it, `simulate:return AC01` returns it after it
has settled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from apps.core.money import Money
from apps.payments.public import formats

_FAULT = re.compile(r"simulate:(?P<what>reject|return)(?: (?P<code>[A-Z0-9]{4}))?")
DEFAULT_CODES = {"reject": "AC04", "return": "AC01"}


@dataclass
class Booking:
    """One entry that the next statement will show."""

    amount_minor: int  # signed: negative left the account
    end_to_end_id: str
    name: str
    iban: str
    remittance: str
    code: tuple[str, str, str]
    return_reason: str = ""
    payment_group: str = ""
    message_id: str = ""


@dataclass
class AccountState:
    """An account at the bank: its closing balance, the number of its latest statement, what is unbooked."""

    currency: str
    closing_minor: int = 0
    statement_number: int = 0
    bookings: list[Booking] = field(default_factory=list)
    returns: list[Booking] = field(default_factory=list)  # booked by the statement after the next


class Bank:
    """The accounts of one bank's customer, and the files it has seen."""

    def __init__(self, *, bic: str) -> None:
        self.bic = bic
        self.accounts: dict[str, AccountState] = {}
        self.seen: set[str] = set()
        self.instants: dict[str, dict[str, Any]] = {}  # by message id; see `simulator.instant`
        self.said = 0  # how many messages it has written

    def open_account(self, iban: str, currency: str, opening: Money) -> None:
        """Open an account with a balance. An account that is open stays as it is."""
        self.accounts.setdefault(iban, AccountState(currency, opening.minor))

    def take_payments(self, data: bytes, *, at: datetime) -> bytes:
        """Take a pain.001 and return the pain.002 that answers it. A file seen before is rejected (DUPL)."""
        batch = formats.read_credit_transfer(data)
        duplicate = batch.message_id in self.seen
        self.seen.add(batch.message_id)
        groups = tuple(self._answer_group(batch.message_id, group, duplicate) for group in batch.groups)
        rejected = sum(tx.status == "RJCT" for group in groups for tx in group.transactions)
        total = sum(len(group.transfers) for group in batch.groups)
        status = "RJCT" if duplicate or rejected == total else "PART" if rejected else "ACSP"
        return formats.build_status_report(
            formats.StatusReport(
                format="pain.002.001.10",
                message_id=f"S{batch.message_id}"[:35],
                created_at=at,
                original_message_id=batch.message_id,
                original_message_name="pain.001.001.09",
                status=status,
                reasons=(formats.StatusReason(code="DUPL"),) if duplicate else (),
                groups=groups,
            )
        )

    def _answer_group(
        self, message_id: str, group: formats.CreditTransferGroup, duplicate: bool
    ) -> formats.GroupStatus:
        account = self.accounts.get(group.debtor_iban)
        lines = []
        for transfer in group.transfers:
            code = (
                "DUPL" if duplicate else "AC02" if account is None else _fault(transfer.remittance, "reject")
            )
            if not code and account is not None:
                self._book(account, message_id, group.id, transfer)
            lines.append(
                formats.TransactionStatus(
                    status="RJCT" if code else "ACSP",
                    end_to_end_id=transfer.end_to_end_id,
                    reasons=(formats.StatusReason(code=code),) if code else (),
                )
            )
        return formats.GroupStatus(id=group.id, transactions=tuple(lines))

    def _book(
        self, account: AccountState, message_id: str, group_id: str, transfer: formats.CreditTransfer
    ) -> None:
        out = Booking(
            -transfer.amount.minor,
            transfer.end_to_end_id,
            transfer.creditor_name,
            transfer.creditor_iban,
            transfer.remittance,
            ("PMNT", "ICDT", "ESCT"),
            payment_group=group_id,
            message_id=message_id,
        )
        account.bookings.append(out)
        code = _fault(transfer.remittance, "return")
        if code:
            back = Booking(
                transfer.amount.minor,
                transfer.end_to_end_id,
                transfer.creditor_name,
                transfer.creditor_iban,
                transfer.remittance,
                ("PMNT", "ICDT", "RRTN"),
                return_reason=code,
            )
            account.returns.append(back)

    def book_out(
        self,
        iban: str,
        amount: Money,
        *,
        end_to_end_id: str,
        name: str,
        to: str,
        remittance: str,
        code: tuple[str, str, str],
        message_id: str,
    ) -> None:
        """Book a payment that left at once, and later its return if the remittance text asks for one."""
        account = self.accounts[iban]
        out = Booking(-amount.minor, end_to_end_id, name, to, remittance, code, message_id=message_id)
        account.bookings.append(out)
        reason = _fault(remittance, "return")
        if reason:
            back = (code[0], "ICDT", "RRTN")
            account.returns.append(
                Booking(amount.minor, end_to_end_id, name, to, remittance, back, return_reason=reason)
            )

    def receive(
        self,
        iban: str,
        amount: Money,
        *,
        name: str,
        from_iban: str,
        remittance: str,
        end_to_end_id: str = "NOTPROVIDED",
    ) -> None:
        """Take in a credit from outside. Raises KeyError for an account that is not here."""
        self.accounts[iban].bookings.append(
            Booking(amount.minor, end_to_end_id, name, from_iban, remittance, ("PMNT", "RCDT", "ESCT"))
        )

    def charge(self, iban: str, amount: Money, *, text: str) -> None:
        """Book the bank's own charge."""
        self.accounts[iban].bookings.append(
            Booking(-amount.minor, "", "", "", text, ("PMNT", "CCRD", "CHRG"))
        )

    def has_news(self, iban: str) -> bool:
        """Tell whether a statement would show an entry."""
        account = self.accounts[iban]
        return bool(account.bookings or account.returns)

    def statement(self, iban: str, *, day: date, at: datetime) -> bytes:
        """Close the account's day: book what waits and return the camt.053 that shows it."""
        account = self.accounts[iban]
        bookings = account.bookings
        account.bookings, account.returns = account.returns, []
        opening = Money(account.closing_minor, account.currency)
        account.closing_minor += sum(booking.amount_minor for booking in bookings)
        account.statement_number += 1
        number = account.statement_number
        statement = formats.Statement(
            id=f"{iban[-12:]}-{day:%Y%m%d}-{number:05d}",
            kind="statement",
            account=iban,
            iban=iban,
            currency=account.currency,
            sequence=str(number),
            created_at=at,
            from_date=day,
            to_date=day,
            bank_bic=self.bic,
            balances=(
                formats.Balance("OPBD", opening, day),
                formats.Balance("CLBD", Money(account.closing_minor, account.currency), day),
            ),
            entries=tuple(
                _entry(position, booking, account.currency, day, f"{day:%y%m%d}{number:05d}{position:05d}")
                for position, booking in enumerate(bookings, start=1)
            ),
        )
        return formats.build_statements(message_id=statement.id, created_at=at, statements=(statement,))

    def to_data(self) -> dict[str, Any]:
        """Return the whole state as JSON-able data."""
        return {
            "bic": self.bic,
            "seen": sorted(self.seen),
            "instants": self.instants,
            "said": self.said,
            "accounts": {
                iban: {
                    "currency": account.currency,
                    "closing_minor": account.closing_minor,
                    "statement_number": account.statement_number,
                    "bookings": [vars(booking) for booking in account.bookings],
                    "returns": [vars(booking) for booking in account.returns],
                }
                for iban, account in self.accounts.items()
            },
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Bank:
        """Make the bank again from its state."""
        bank = cls(bic=data["bic"])
        bank.seen = set(data["seen"])
        bank.instants, bank.said = data.get("instants", {}), data.get("said", 0)
        for iban, account in data["accounts"].items():
            bank.accounts[iban] = AccountState(
                account["currency"],
                account["closing_minor"],
                account["statement_number"],
                [_booking(item) for item in account["bookings"]],
                [_booking(item) for item in account["returns"]],
            )
        return bank


def _booking(data: dict[str, Any]) -> Booking:
    domain, family, sub_family = data["code"]
    return Booking(**{**data, "code": (domain, family, sub_family)})


def _fault(remittance: str, what: str) -> str:
    """Return the code of the fault that a remittance text asks for, or nothing."""
    match = _FAULT.search(remittance)
    return (match["code"] or DEFAULT_CODES[what]) if match and match["what"] == what else ""


def _entry(
    position: int, booking: Booking, currency: str, day: date, reference: str
) -> formats.StatementEntry:
    amount = Money(booking.amount_minor, currency)
    refs = formats.References(
        end_to_end=booking.end_to_end_id,
        acct_svcr=reference,
        pmtinf=booking.payment_group,
        msg=booking.message_id,
    )
    detail = formats.EntryDetail(
        amount=amount,
        refs=refs,
        counterparty_name=booking.name,
        counterparty_iban=booking.iban,
        remittance_unstructured=booking.remittance,
        return_reason=booking.return_reason,
    )
    return formats.StatementEntry(
        position=position,
        amount=amount,
        status="BOOK",
        booking_date=day,
        value_date=day,
        refs=formats.References(acct_svcr=reference),
        bank_code=formats.BankCode(*booking.code),
        return_reason=booking.return_reason,
        details=(detail,) if booking.end_to_end_id else (),
        info="" if booking.end_to_end_id else booking.remittance,
    )
