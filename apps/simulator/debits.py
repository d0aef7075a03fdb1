"""The bank's desk for what is pulled and what is asked back: pain.008, camt.056, and what follows.

What a remittance text says makes it misbehave: `simulate:reject MD01` rejects a collection,
`simulate:return AM04 3` returns it three days after it was collected, `simulate:refund MD06 20` lets its
debtor have it back, `simulate:recall RJCR` refuses to give a transfer back, `simulate:recall PDCR` is slow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from apps.core.money import Money
from apps.payments.public import formats

_FAULT = re.compile(
    r"simulate:(?P<what>reject|return|refund|recall)(?: (?P<code>[A-Z0-9]{4}))?(?: (?P<days>\d{1,3})\b)?"
)
DEFAULT_CODES = {"reject": "AC04", "return": "AM04", "refund": "MD06", "recall": "RJCR"}
DEFAULT_DAYS = {"return": 3, "refund": 20}
COLLECTED, TAKEN_BACK = ("PMNT", "IDDT", "ESDD"), ("PMNT", "IDDT", "UPDD")


@dataclass(frozen=True, slots=True)
class Fault:
    """A misbehaviour that a remittance text asks for."""

    what: str
    code: str
    days: int


def fault_of(remittance: str) -> Fault | None:
    """Read the fault that a text asks for, if it does."""
    match = _FAULT.search(remittance)
    if match is None:
        return None
    what = match["what"]
    return Fault(what, match["code"] or DEFAULT_CODES[what], int(match["days"] or DEFAULT_DAYS.get(what, 0)))


@dataclass
class Due:
    """A collection that comes in on a day, or one that goes back on it (negative, with its reason)."""

    day: str  # ISO, as the state on disk has it
    iban: str
    amount_minor: int
    currency: str
    end_to_end_id: str
    name: str
    debtor_iban: str
    remittance: str
    mandate: str
    payment_group: str
    message_id: str
    return_reason: str = ""
    told: bool = False  # in a file of returns


@dataclass
class DebitDesk:
    """What the desk remembers: what is due, and which transfers have left, for recalls."""

    due: list[Due] = field(default_factory=list)
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(
        self, batch: formats.DirectDebitBatch, *, duplicate: bool, known: set[str]
    ) -> list[formats.GroupStatus]:
        """Accept or reject each collection of a file; what is accepted is collected on its date.

        `known` are the IBANs of the accounts here.
        """
        return [self._group(batch.message_id, group, duplicate, known) for group in batch.groups]

    def _group(
        self, message_id: str, group: formats.DirectDebitGroup, duplicate: bool, known: set[str]
    ) -> formats.GroupStatus:
        lines = []
        for debit in group.debits:
            fault = fault_of(debit.remittance)
            code = "DUPL" if duplicate else "AC02" if group.creditor_iban not in known else ""
            if not code and fault is not None and fault.what == "reject":
                code = fault.code
            if not code:
                self._plan(message_id, group, debit, fault)
            lines.append(
                formats.TransactionStatus(
                    status="RJCT" if code else "ACSP",
                    end_to_end_id=debit.end_to_end_id,
                    reasons=(formats.StatusReason(code=code),) if code else (),
                )
            )
        return formats.GroupStatus(id=group.id, transactions=tuple(lines))

    def _plan(
        self,
        message_id: str,
        group: formats.DirectDebitGroup,
        debit: formats.DirectDebit,
        fault: Fault | None,
    ) -> None:
        collected = Due(
            day=group.collection_date.isoformat(),
            iban=group.creditor_iban,
            amount_minor=debit.amount.minor,
            currency=debit.amount.currency,
            end_to_end_id=debit.end_to_end_id,
            name=debit.debtor_name,
            debtor_iban=debit.debtor_iban,
            remittance=debit.remittance,
            mandate=debit.mandate.mandate_id if debit.mandate else "",
            payment_group=group.id,
            message_id=message_id,
        )
        self.due.append(collected)
        if fault is not None and fault.what in ("return", "refund"):
            back = Due(**vars(collected))
            back.day = (group.collection_date + timedelta(days=fault.days)).isoformat()
            back.amount_minor, back.return_reason = -collected.amount_minor, fault.code
            self.due.append(back)

    def has_due(self, iban: str, day: date) -> bool:
        """Tell whether something of an account is due by a day."""
        return any(item.iban == iban and item.day <= day.isoformat() for item in self.due)

    def book(self, iban: str, day: date) -> list[Due]:
        """Take out what is due by a day, to be shown by the account's statement."""
        until = day.isoformat()
        booked = [item for item in self.due if item.iban == iban and item.day <= until]
        self.due = [item for item in self.due if item.iban != iban or item.day > until]
        return booked

    def returns(self, *, day: date, at: datetime) -> bytes | None:
        """Tell once what has come back by a day, as a pacs.004, before the statement shows it."""
        telling = [
            item for item in self.due if item.return_reason and not item.told and item.day <= day.isoformat()
        ]
        if not telling:
            return None
        for item in telling:
            item.told = True
        return formats.build_payment_return(
            formats.ReturnMessage(
                message_id=f"R{telling[0].end_to_end_id}"[:35],
                created_at=at,
                returns=tuple(_return(item) for item in telling),
            )
        )

    def remember(self, message_id: str, iban: str, transfer: formats.CreditTransfer) -> None:
        """Keep what a transfer was, for a recall."""
        self.sent[transfer.end_to_end_id] = {
            "message_id": message_id,
            "iban": iban,
            "amount_minor": transfer.amount.minor,
            "name": transfer.creditor_name,
            "creditor_iban": transfer.creditor_iban,
            "remittance": transfer.remittance,
        }

    def to_data(self) -> dict[str, Any]:
        """Return the whole state as JSON-able data."""
        return {"due": [vars(item).copy() for item in self.due], "sent": self.sent}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> DebitDesk:
        """Make the desk again from its state; one saved before there was a desk has none."""
        return cls([Due(**item) for item in data.get("due", [])], dict(data.get("sent", {})))


def recall_answer(
    message: formats.RecallMessage, refused: list[tuple[formats.Recall, str, str]], *, at: datetime
) -> bytes:
    """Write the camt.029 about recalls that are not granted (yet): (recall, RJCR or PDCR, why)."""
    pending = all(status == "PDCR" for _, status, _ in refused)
    return formats.build_recall_answer(
        formats.RecallAnswerMessage(
            id=f"A{message.id}"[:35],
            created_at=at,
            sender=message.receiver,
            receiver=message.sender,
            confirmation="PDCR" if pending else "RJCR",
            answers=tuple(
                formats.RecallAnswer(status, recall.cancellation_id, recall.original, reason=why)
                for recall, status, why in refused
            ),
        )
    )


def _return(item: Due) -> formats.PaymentReturn:
    amount = Money(abs(item.amount_minor), item.currency)
    return formats.PaymentReturn(
        amount=amount,
        reason=item.return_reason,
        original=formats.OriginalPayment(
            message_id=item.message_id,
            message_name="pain.008.001.08",
            end_to_end_id=item.end_to_end_id,
            amount=amount,
        ),
        return_id=f"R{item.end_to_end_id}"[:35],
        settlement_date=date.fromisoformat(item.day),
    )
