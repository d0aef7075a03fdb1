"""pain.013: a request for payment, as FedNow and RTP deliver it. Read only; paying it is a payment of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from apps.core.money import Money
from apps.payments.formats.controls import require_totals
from apps.payments.formats.interbank import Agent, read_agent, read_expected, required_money
from apps.payments.formats.nodes import Element, day, find_all, text, texts
from apps.payments.formats.pain001_read import required_moment


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """One request: who asks whom for how much, until when."""

    group_id: str
    end_to_end_id: str
    instruction_id: str
    amount: Money
    creditor_name: str
    creditor_account: str
    creditor_agent: Agent
    debtor_name: str
    debtor_account: str
    debtor_agent: Agent
    requested_on: date | None
    expires_on: date | None
    remittance: str = ""


@dataclass(frozen=True, slots=True)
class PaymentRequestMessage:
    """A message of one or more requests."""

    message_id: str
    created_at: datetime
    requests: tuple[PaymentRequest, ...]


def read_payment_request(data: bytes) -> PaymentRequestMessage:
    """Read a pain.013.001.07, bare or in an envelope, with right control totals. Raises FormatError."""
    message = read_expected(data, "pain.013")
    require_totals(message)
    body = message.body
    return PaymentRequestMessage(
        message_id=text(body, "GrpHdr/MsgId"),
        created_at=required_moment(body, "GrpHdr/CreDtTm"),
        requests=tuple(
            _request(transaction, group)
            for group in find_all(body, "PmtInf")
            for transaction in find_all(group, "CdtTrfTx")
        ),
    )


def _request(element: Element, group: Element) -> PaymentRequest:
    return PaymentRequest(
        group_id=text(group, "PmtInfId"),
        end_to_end_id=text(element, "PmtId/EndToEndId"),
        instruction_id=text(element, "PmtId/InstrId"),
        amount=required_money(element, "Amt/InstdAmt"),
        creditor_name=text(element, "Cdtr/Nm"),
        creditor_account=text(element, "CdtrAcct/Id/IBAN", "CdtrAcct/Id/Othr/Id"),
        creditor_agent=read_agent(element, "CdtrAgt"),
        debtor_name=text(group, "Dbtr/Nm"),
        debtor_account=text(group, "DbtrAcct/Id/IBAN", "DbtrAcct/Id/Othr/Id"),
        debtor_agent=read_agent(group, "DbtrAgt"),
        requested_on=day(group, "ReqdExctnDt"),
        expires_on=day(group, "XpryDt"),
        remittance=" ".join(texts(element, "RmtInf/Ustrd")),
    )
