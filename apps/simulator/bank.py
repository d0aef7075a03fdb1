"""A bank, as its customers see it: takes payment files, answers with status reports and statements.

It knows nothing of the platform but the files. Time is an argument. Everything it remembers is one
JSON-able state, so that it can be stopped at any moment and go on. What a payment's remittance text
says makes it misbehave: `simulate:reject AC04` rejects it, `simulate:return AC01` returns it after it
has settled. Direct debits and recalls are the matter of its desk (`debits`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from apps.core.money import Money
from apps.payments.public import formats
from apps.simulator.debits import COLLECTED, TAKEN_BACK, DebitDesk, Due, fault_of, recall_answer

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
    mandate: str = ""
    count: int = 1  # of a whole group, booked as one without its details


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
        self.debits = DebitDesk()
        self.books_groups = False  # collections of a group as one entry without details

    def open_account(self, iban: str, currency: str, opening: Money) -> None:
        """Open an account with a balance. An account that is open stays as it is."""
        self.accounts.setdefault(iban, AccountState(currency, opening.minor))

    def take(self, data: bytes, *, at: datetime) -> tuple[str, bytes] | None:
        """Take any file of a customer; return the name of the answer's format and the answer, if there is one.

        Raises FormatError for a file that no desk here takes.
        """
        name = formats.detect(data)
        if name.startswith("pain.008"):
            return "pain.002", self.take_collections(data, at=at)
        if name.startswith("camt.056"):
            answer = self.take_recall(data, at=at)
            return ("camt.029", answer) if answer is not None else None
        return "pain.002", self.take_payments(data, at=at)

    def take_collections(self, data: bytes, *, at: datetime) -> bytes:
        """Take a pain.008 and return the pain.002 that answers it. A file seen before is rejected (DUPL)."""
        batch = formats.read_direct_debit(data)
        duplicate = batch.message_id in self.seen
        self.seen.add(batch.message_id)
        groups = tuple(self.debits.take(batch, duplicate=duplicate, known=set(self.accounts)))
        return _report(batch.message_id, "pain.008.001.08", groups, duplicate=duplicate, at=at)

    def take_recall(self, data: bytes, *, at: datetime) -> bytes | None:
        """Take a camt.056: give the money back with the statement after the next, or say in a camt.029 why not."""
        message = formats.read_recall(data)
        refused = []
        for recall in message.recalls:
            sent = self.debits.sent.get(recall.original.end_to_end_id)
            fault = fault_of(sent["remittance"]) if sent is not None else None
            if sent is None:
                refused.append((recall, "RJCR", "NOOR"))  # no original transaction received
            elif fault is not None and fault.what == "recall":
                refused.append((recall, fault.code, "CUST" if fault.code == "RJCR" else ""))
            else:
                self._give_back(recall.original.end_to_end_id, sent, "FOCR")
        return recall_answer(message, refused, at=at) if refused else None

    def take_payments(self, data: bytes, *, at: datetime) -> bytes:
        """Take a pain.001 and return the pain.002 that answers it. A file seen before is rejected (DUPL)."""
        batch = formats.read_credit_transfer(data)
        duplicate = batch.message_id in self.seen
        self.seen.add(batch.message_id)
        groups = tuple(self._answer_group(batch.message_id, group, duplicate) for group in batch.groups)
        return _report(batch.message_id, "pain.001.001.09", groups, duplicate=duplicate, at=at)

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
        iban = next(number for number, state in self.accounts.items() if state is account)
        self.debits.remember(message_id, iban, transfer)
        code = _fault(transfer.remittance, "return")
        if code:
            self._give_back(transfer.end_to_end_id, self.debits.sent[transfer.end_to_end_id], code)

    def _give_back(self, end_to_end_id: str, sent: dict[str, Any], code: str) -> None:
        back = Booking(
            sent["amount_minor"],
            end_to_end_id,
            sent["name"],
            sent["creditor_iban"],
            sent["remittance"],
            ("PMNT", "ICDT", "RRTN"),
            return_reason=code,
        )
        self.accounts[sent["iban"]].returns.append(back)

    def book_out(
        self,
        iban: str,
        amount: Money,
        *,
        end_to_end_id: str,
        name: str,
        to: str,
        remittance: str,
        message_id: str,
        at: datetime,
    ) -> None:
        """Book a payment that left at once, and later its return if the remittance text asks for one."""
        account = self.accounts[iban]
        left, back = ("PMNT", "IRCT", "ESCT"), ("PMNT", "ICDT", "RRTN")
        out = Booking(-amount.minor, end_to_end_id, name, to, remittance, left, message_id=message_id)
        account.bookings.append(out)
        reason = _fault(remittance, "return")
        if reason:
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

    def has_news(self, iban: str, *, day: date = date.max) -> bool:
        """Tell whether a statement, of a day or a later one, would show an entry."""
        account = self.accounts[iban]
        return bool(account.bookings or account.returns) or self.debits.has_due(iban, day)

    def statement(self, iban: str, *, day: date, at: datetime) -> bytes:
        """Close the account's day: book what waits and return the camt.053 that shows it."""
        account = self.accounts[iban]
        bookings = account.bookings + self._collected(iban, day)
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

    def _collected(self, iban: str, day: date) -> list[Booking]:
        """Book the collections of a day, each on its own or a group as one entry, and what goes back."""
        due = self.debits.book(iban, day)
        back = [item for item in due if item.return_reason]
        came_in = [_as_booking(item) for item in due if not item.return_reason]
        return (_by_group(came_in) if self.books_groups else came_in) + [_as_booking(item) for item in back]

    def to_data(self) -> dict[str, Any]:
        """Return the whole state as JSON-able data."""
        return {
            "bic": self.bic,
            "seen": sorted(self.seen),
            "books_groups": self.books_groups,
            "debits": self.debits.to_data(),
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
        bank.books_groups = bool(data.get("books_groups", False))
        bank.debits = DebitDesk.from_data(data.get("debits", {}))
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


def _report(
    message_id: str,
    original: str,
    groups: tuple[formats.GroupStatus, ...],
    *,
    duplicate: bool,
    at: datetime,
) -> bytes:
    lines = [line for group in groups for line in group.transactions]
    rejected = sum(line.status == "RJCT" for line in lines)
    return formats.build_status_report(
        formats.StatusReport(
            format="pain.002.001.10",
            message_id=f"S{message_id}"[:35],
            created_at=at,
            original_message_id=message_id,
            original_message_name=original,
            status="RJCT" if duplicate or rejected == len(lines) else "PART" if rejected else "ACSP",
            reasons=(formats.StatusReason(code="DUPL"),) if duplicate else (),
            groups=groups,
        )
    )


def _as_booking(item: Due) -> Booking:
    return Booking(
        item.amount_minor,
        item.end_to_end_id,
        item.name,
        item.debtor_iban,
        item.remittance,
        TAKEN_BACK if item.return_reason else COLLECTED,
        return_reason=item.return_reason,
        payment_group=item.payment_group,
        message_id=item.message_id,
        mandate=item.mandate,
    )


def _by_group(bookings: list[Booking]) -> list[Booking]:
    """Add the bookings of each group up to one entry that names the group and no payment."""
    groups: dict[str, Booking] = {}
    for one in bookings:
        whole = groups.get(one.payment_group)
        if whole is None:
            groups[one.payment_group] = Booking(
                one.amount_minor,
                "",
                "",
                "",
                "",
                COLLECTED,
                payment_group=one.payment_group,
                message_id=one.message_id,
            )
        else:
            whole.amount_minor, whole.count = whole.amount_minor + one.amount_minor, whole.count + 1
    return list(groups.values())


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
        mandate=booking.mandate,
    )
    if booking.payment_group and not booking.end_to_end_id:
        return formats.StatementEntry(
            position=position,
            amount=amount,
            status="BOOK",
            booking_date=day,
            value_date=day,
            refs=refs,
            bank_code=formats.BankCode(*booking.code),
            batch_count=booking.count,
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
