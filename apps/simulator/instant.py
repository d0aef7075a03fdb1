"""The bank's counter for instant payments: takes pacs.008, answers with pacs.002, answers pacs.028.

Time is an argument. What a payment's remittance text says makes the bank misbehave:
`simulate:silence` takes the payment and answers nothing; `simulate:late 90` accepts it after 90 seconds
and answers nothing before; `simulate:lost` never had it; `simulate:reject AC04`; `simulate:timeout`
rejects for a time-out and accepts after all; `simulate:wrong` answers with another amount;
`simulate:twice` answers twice; `simulate:foreign` answers about another payment; `simulate:huge` answers
with a megabyte; `simulate:return AC01` sends the money back after it has settled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from apps.core.money import Money
from apps.payments.public import compare_payee, formats

_FAULT = re.compile(
    r"simulate:(?P<what>silence|late|lost|reject|timeout|wrong|twice|foreign|huge)(?: (?P<how>[A-Z0-9]{1,6}))?"
)
LATE_S = 60
HUGE_BYTES = 1024 * 1024
KEPT_MAX = 2_000
"""How many payments are remembered from one run to the next."""
BIC = "MARKDEFF"


@dataclass(frozen=True, slots=True)
class Said:
    """What the bank says; None is silence."""

    body: bytes | None


class Books(Protocol):
    """A bank whose accounts the payments leave."""

    accounts: Any

    def book_out(
        self,
        account: str,
        amount: Money,
        /,
        *,
        end_to_end_id: str,
        name: str,
        to: str,
        remittance: str,
        message_id: str,
        at: datetime,
    ) -> None:
        """Book a payment that left at once."""
        ...


class Counter:
    """The instant payments of the banks, one bank for each rail, and the directory of accounts' holders."""

    def __init__(self, banks: Mapping[str, Books], *, directory: Mapping[str, str] | None = None) -> None:
        self.banks, self.directory = dict(banks), dict(directory or {})
        self.known: dict[str, dict[str, Any]] = {}  # what was taken, by message id
        self.said = 0  # how many messages it has written

    def take(self, rail: str, data: bytes, *, at: datetime) -> Said:
        """Take a payment or a question. Raises FormatError for anything else, KeyError for another rail."""
        self.catch_up(at=at)
        kind = formats.read_message(data).kind
        if kind == "pacs.008":
            return self._take_payment(rail, formats.read_interbank_transfer(data), at)
        if kind == "pacs.028":
            return self._answer_question(rail, formats.read_status_inquiry(data), at)
        raise formats.FormatError("wrong_message", f"The counter takes no {kind}.")

    def verify(self, data: bytes) -> bytes:
        """Answer whether a name belongs to an IBAN, by the bank's directory. Raises ValueError."""
        asked = json.loads(data)
        holder = self.directory.get(str(asked["iban"]))
        if holder is None:
            return json.dumps({"result": "not_possible"}).encode()
        result = compare_payee(str(asked["name"]), holder).value
        told = {"matched_name": holder} if result == "close_match" else {}
        return json.dumps({"result": result, **told}).encode()

    def catch_up(self, *, at: datetime) -> int:
        """Book what has been accepted by now, so that the next statement shows it. Returns how many."""
        booked = 0
        for item in self.known.values():
            if item["status"] == "ACSC" and not item["booked"] and _moment(item["from"]) <= at:
                item["booked"], booked = True, booked + 1
                self.banks[item["rail"]].book_out(
                    item["account"],
                    Money(item["minor"], item["currency"]),
                    end_to_end_id=item["end_to_end_id"],
                    name=item["name"],
                    to=item["to"],
                    remittance=item["remittance"],
                    message_id=item["message_id"],
                    at=at,
                )
        return booked

    def to_data(self) -> dict[str, Any]:
        """Return what was taken and said, as JSON-able data."""
        kept = list(self.known.items())[-KEPT_MAX:]
        return {"known": dict(kept), "said": self.said}

    def remember(self, data: dict[str, Any]) -> None:
        """Go on from such data."""
        self.known, self.said = data["known"], data["said"]

    def _take_payment(self, rail: str, message: formats.TransferMessage, at: datetime) -> Said:
        (transfer,) = message.transfers
        if message.message_id in self.known:
            return self._say(rail, message.message_id, "RJCT", "DUPL", transfer, at)
        found = _FAULT.search(transfer.remittance)
        what, how = (found["what"], found["how"] or "") if found else ("", "")
        if transfer.debtor_account not in self.banks[rail].accounts:
            what, how = "reject", "AC02"
        if what == "lost":
            return Said(None)
        wait_s = (
            int(how) if what == "late" and how.isdigit() else LATE_S if what in ("late", "timeout") else 0
        )
        code = (how or "AC04") if what == "reject" else ""
        self.known[message.message_id] = _kept(rail, message, transfer, code, at, wait_s)
        self.catch_up(at=at)
        if what in ("silence", "late"):
            return Said(None)
        if what == "huge":
            return Said(b"<" + b"x" * HUGE_BYTES)
        if what == "timeout":
            return self._say(rail, message.message_id, "RJCT", "AB05", transfer, at)
        if what == "wrong":
            more = replace(transfer, amount=Money(transfer.amount.minor + 1, transfer.amount.currency))
            return self._say(rail, message.message_id, "ACSC", "", more, at)
        if what == "foreign":
            other = replace(transfer, end_to_end_id="SOMEBODY-ELSE")
            return self._say(rail, "ANOTHER-MESSAGE", "ACSC", "", other, at)
        times = 2 if what == "twice" else 1
        return self._say(
            rail, message.message_id, "RJCT" if code else "ACSC", code, transfer, at, times=times
        )

    def _answer_question(self, rail: str, message: formats.InquiryMessage, at: datetime) -> Said:
        (question,) = message.inquiries
        original = question.original
        item = self.known.get(original.message_id)
        transfer = _transfer(item) if item else None
        if item is None:
            status, code = "RJCT", "AG09"
        elif _moment(item["from"]) > at:
            status, code = "PDNG", ""
        else:
            status, code = item["status"], item["code"]
        return self._say(
            rail, original.message_id, status, code, transfer, at, end_to_end_id=original.end_to_end_id
        )

    def _say(
        self,
        rail: str,
        message_id: str,
        status: str,
        code: str,
        transfer: formats.InterbankTransfer | None,
        at: datetime,
        *,
        end_to_end_id: str = "",
        times: int = 1,
    ) -> Said:
        self.said += 1
        line = formats.TransactionStatus(
            status=status,
            end_to_end_id=transfer.end_to_end_id if transfer else end_to_end_id,
            reasons=(formats.StatusReason(code=code),) if code else (),
            accepted_at=at if status == "ACSC" else None,
            amount=transfer.amount if transfer else None,
            original_message_id=message_id,
        )
        report = formats.StatusReport(
            format="pacs.002.001.10",
            message_id=f"{BIC}{self.said:012d}",
            created_at=at,
            transactions=(line,) * times,
        )
        document = formats.build_status_report(report)
        if rail != "fednow":
            return Said(document)
        header = formats.ApplicationHeader(
            sender=formats.Agent(member="021150706"),
            receiver=formats.Agent(member="011000015"),
            message_id=report.message_id,
            message_name=report.format,
            created_at=at,
        )
        return Said(formats.wrap(document, header, envelope="fednow", outgoing=True))


def _kept(
    rail: str,
    message: formats.TransferMessage,
    transfer: formats.InterbankTransfer,
    code: str,
    at: datetime,
    wait_s: int,
) -> dict[str, Any]:
    """Return what is remembered of a payment, as JSON-able data."""
    return {
        "rail": rail,
        "message_id": message.message_id,
        "end_to_end_id": transfer.end_to_end_id,
        "account": transfer.debtor_account,
        "minor": transfer.amount.minor,
        "currency": transfer.amount.currency,
        "name": transfer.creditor_name,
        "to": transfer.creditor_account,
        "remittance": transfer.remittance,
        "status": "RJCT" if code else "ACSC",
        "code": code,
        "from": (at + timedelta(seconds=wait_s)).isoformat(),
        "booked": False,
    }


def _transfer(item: dict[str, Any]) -> formats.InterbankTransfer:
    return formats.InterbankTransfer(
        end_to_end_id=item["end_to_end_id"],
        amount=Money(item["minor"], item["currency"]),
        debtor_name="",
        debtor_account=item["account"],
        debtor_agent=formats.Agent(),
        creditor_name=item["name"],
        creditor_account=item["to"],
        creditor_agent=formats.Agent(),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
