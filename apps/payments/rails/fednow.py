"""FedNow: pacs.008 in the service's envelope, an answer within 20 s, no inquiry before 25 s.

Federal Reserve Banks, FedNow Service Operating Procedures and ISO 20022 implementation guide.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.payments.formats import (
    ApplicationHeader,
    Finding,
    InterbankTransfer,
    PaymentRequestMessage,
    PaymentType,
    Settlement,
    TransferMessage,
    build_interbank_transfer,
    read_payment_request,
    wrap,
)
from apps.payments.formats.epc import to_epc_text
from apps.payments.formats.interbank import Agent
from apps.payments.formats.nacha import is_routing
from apps.payments.rails.base import Built, Instruction, Outgoing
from apps.payments.rails.instant import PACS008, InstantRail

AMOUNT_MAX_MINOR = 50_000_000
"""500,000.00 USD; the service raises it, and a participant's own limit may be lower (`FEDNOW_AMOUNT_MAX_MINOR`)."""
SERVICE = Agent(member="021150706")
"""The routing number of the service itself."""
PRACTICE = (
    "www2.swift.com/mystandards/#/group/Federal_Reserve_Financial_Services/FedNow_Service",
    "frb.fednow.01",
)

_TYPE = PaymentType(local_instrument_proprietary="FDNA", category_purpose_proprietary="BIZZ")
_SETTLEMENT = Settlement(system_code="FDN")


class FedNow(InstantRail):
    """The rail of the Federal Reserve's instant payments, in US dollars."""

    name, currency, zone = "fednow", "USD", "America/New_York"
    answer_within_s, inquire_after_s, first_inquiry_s = 20, 25, 26

    def __init__(self, *, amount_max_minor: int = AMOUNT_MAX_MINOR, cost_minor: int = 5) -> None:
        super().__init__(amount_max_minor=amount_max_minor, cost_minor=cost_minor)

    def validate(self, instruction: Instruction) -> list[Finding]:
        """Check currency, amount, and the payee's routing and account numbers."""
        findings = super().validate(instruction)
        if not is_routing(instruction.creditor.bank):
            findings.append(Finding("creditor_routing", "The payee's bank is not a routing number."))
        if not 1 <= len(instruction.creditor.account) <= 34:
            findings.append(Finding("creditor_account", "The payee has no account number."))
        return findings

    def build(self, outgoing: Outgoing) -> Built:
        """Write a pacs.008.001.08 with head.001.001.02. Raises FormatError."""
        (instruction,) = outgoing.instructions
        ours, theirs = self.agents(outgoing)
        transfer = InterbankTransfer(
            end_to_end_id=instruction.reference,
            instruction_id=outgoing.message_id,
            uetr=_uetr(outgoing.message_id),
            amount=instruction.amount,
            debtor_name=to_epc_text(instruction.debtor.name, chars_max=140),
            debtor_account=instruction.debtor.account,
            debtor_agent=ours,
            creditor_name=to_epc_text(instruction.creditor.name, chars_max=140),
            creditor_account=instruction.creditor.account,
            creditor_agent=theirs,
            settlement_date=_day(outgoing.created_at, self.zone),
            remittance=to_epc_text(instruction.remittance, chars_max=140),
            type=_TYPE,
            instructing=ours,
            instructed=theirs,
        )
        message = TransferMessage(
            message_id=outgoing.message_id,
            created_at=_seconds(outgoing.created_at),
            transfers=(transfer,),
            settlement=_SETTLEMENT,
        )
        document = build_interbank_transfer(message)
        data = self.wrapped(document, PACS008, outgoing.message_id, outgoing.created_at, outgoing)
        return Built(data, ".xml", {instruction.reference: instruction.reference})

    def agents(self, outgoing: Outgoing) -> tuple[Agent, Agent]:
        """Return our bank and the payee's, by routing number."""
        (instruction,) = outgoing.instructions
        return _by_routing(outgoing.ours.bank), _by_routing(instruction.creditor.bank)

    def wrapped(self, document: bytes, name: str, message_id: str, at: datetime, original: Outgoing) -> bytes:
        """Put a message into the envelope for the service, with its header."""
        header = ApplicationHeader(
            sender=Agent(member=original.ours.bank),
            receiver=SERVICE,
            message_id=message_id,
            message_name=name,
            created_at=_seconds(at),
            market_practice=PRACTICE,
        )
        return wrap(document, header, envelope="fednow")

    def read_request(self, data: bytes) -> PaymentRequestMessage:
        """Read a request for payment (pain.013). Paying it is an order of its own. Raises FormatError."""
        return read_payment_request(data)


def _by_routing(number: str) -> Agent:
    return Agent(member=number, clearing_system="USABA")


def _uetr(message_id: str) -> UUID:
    """Make the unique end-to-end reference of a message: the same message always has the same."""
    return UUID(bytes=hashlib.sha256(message_id.encode()).digest()[:16], version=4)


def _seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _day(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()
