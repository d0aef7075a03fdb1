"""pacs.004: a payment sent back between banks, after settlement. Versions .09 (SEPA) and .10 (FedNow)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from apps.core.money import Money
from apps.payments.formats.controls import require_totals
from apps.payments.formats.errors import FormatError
from apps.payments.formats.interbank import (
    CLEARING,
    NO_AGENT,
    Agent,
    OriginalPayment,
    Settlement,
    agent_node,
    original_group,
    original_references,
    read_agent,
    read_expected,
    read_original,
    read_settlement,
    required_money,
    settlement_node,
)
from apps.payments.formats.nodes import Element, day, find_all, text, texts
from apps.payments.formats.pain001_read import required_moment
from apps.payments.formats.writing import amount, checked_document, leaf, node, total_text

WRITABLE = frozenset({"pacs.004.001.09", "pacs.004.001.10"})


@dataclass(frozen=True, slots=True)
class PaymentReturn:
    """One returned payment: the amount that comes back, why, and which payment it was."""

    amount: Money
    reason: str
    original: OriginalPayment
    return_id: str = ""
    settlement_date: date | None = None
    information: str = ""
    charge_bearer: str = "SLEV"
    reason_proprietary: str = ""


@dataclass(frozen=True, slots=True)
class ReturnMessage:
    """A message of one or more returns, in the version `format` names."""

    message_id: str
    created_at: datetime
    returns: tuple[PaymentReturn, ...]
    format: str = "pacs.004.001.09"
    settlement: Settlement = CLEARING
    instructing: Agent = NO_AGENT
    instructed: Agent = NO_AGENT


def build_payment_return(message: ReturnMessage) -> bytes:
    """Write a pacs.004, checked against the official schema. Raises FormatError."""
    if message.format not in WRITABLE:
        raise FormatError("wrong_message", "This version of pacs.004 cannot be written.", None, "format")
    if not message.returns:
        raise FormatError("empty_batch", "A message holds at least one return.")
    header = node(
        "GrpHdr",
        leaf("MsgId", message.message_id),
        leaf("CreDtTm", message.created_at),
        leaf("NbOfTxs", len(message.returns)),
        leaf("CtrlSum", total_text(item.amount for item in message.returns)),
        settlement_node(message.settlement),
        agent_node("InstgAgt", message.instructing),
        agent_node("InstdAgt", message.instructed),
    )
    return checked_document(
        message.format, node("PmtRtr", header, *(_return(item) for item in message.returns))
    )


def _return(item: PaymentReturn) -> str:
    reason = leaf("Cd", item.reason) or leaf("Prtry", item.reason_proprietary)
    return node(
        "TxInf",
        leaf("RtrId", item.return_id),
        original_group(item.original),
        original_references(item.original),
        amount("OrgnlIntrBkSttlmAmt", item.original.amount),
        leaf("OrgnlIntrBkSttlmDt", item.original.settlement_date),
        amount("RtrdIntrBkSttlmAmt", item.amount),
        leaf("IntrBkSttlmDt", item.settlement_date),
        leaf("ChrgBr", item.charge_bearer),
        node("RtrRsnInf", node("Rsn", reason), leaf("AddtlInf", item.information[:105])),
    )


def read_payment_return(data: bytes) -> ReturnMessage:
    """Read a pacs.004, bare or in an envelope, with right control totals. Raises FormatError."""
    message = read_expected(data, "pacs.004")
    require_totals(message)
    header = find_all(message.body, "GrpHdr")[0]
    return ReturnMessage(
        message_id=text(header, "MsgId"),
        created_at=required_moment(header, "CreDtTm"),
        returns=tuple(_read_return(element) for element in find_all(message.body, "TxInf")),
        format=message.name,
        settlement=read_settlement(header),
        instructing=read_agent(header, "InstgAgt"),
        instructed=read_agent(header, "InstdAgt"),
    )


def _read_return(element: Element) -> PaymentReturn:
    return PaymentReturn(
        amount=required_money(element, "RtrdIntrBkSttlmAmt"),
        reason=text(element, "RtrRsnInf/Rsn/Cd"),
        original=read_original(element),
        return_id=text(element, "RtrId"),
        settlement_date=day(element, "IntrBkSttlmDt"),
        information=" ".join(texts(element, "RtrRsnInf/AddtlInf")),
        charge_bearer=text(element, "ChrgBr"),
        reason_proprietary=text(element, "RtrRsnInf/Rsn/Prtry"),
    )
