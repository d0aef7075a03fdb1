"""pacs.028: asking what became of a payment, after silence. Never a blind second sending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.payments.formats.errors import FormatError
from apps.payments.formats.interbank import (
    NO_AGENT,
    Agent,
    OriginalPayment,
    agent_node,
    original_group,
    original_references,
    read_agent,
    read_expected,
    read_original,
)
from apps.payments.formats.nodes import Element, find_all, moment, text
from apps.payments.formats.pain001_read import required_moment
from apps.payments.formats.writing import checked_document, leaf, node

PACS028 = "pacs.028.001.03"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question about one payment."""

    original: OriginalPayment
    request_id: str = ""
    accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class InquiryMessage:
    """A message of one or more questions."""

    message_id: str
    created_at: datetime
    inquiries: tuple[Inquiry, ...]
    instructing: Agent = NO_AGENT
    instructed: Agent = NO_AGENT


def build_status_inquiry(message: InquiryMessage) -> bytes:
    """Write a pacs.028.001.03, checked against the official schema. Raises FormatError."""
    if not message.inquiries:
        raise FormatError("empty_batch", "A message asks about at least one payment.")
    header = node(
        "GrpHdr",
        leaf("MsgId", message.message_id),
        leaf("CreDtTm", message.created_at),
        agent_node("InstgAgt", message.instructing),
        agent_node("InstdAgt", message.instructed),
    )
    parts = (_inquiry(inquiry) for inquiry in message.inquiries)
    return checked_document(PACS028, node("FIToFIPmtStsReq", header, *parts))


def _inquiry(inquiry: Inquiry) -> str:
    return node(
        "TxInf",
        leaf("StsReqId", inquiry.request_id),
        original_group(inquiry.original),
        original_references(inquiry.original),
        leaf("AccptncDtTm", inquiry.accepted_at),
    )


def read_status_inquiry(data: bytes) -> InquiryMessage:
    """Read a pacs.028, bare or in an envelope. Raises FormatError."""
    message = read_expected(data, "pacs.028")
    header = find_all(message.body, "GrpHdr")[0]
    return InquiryMessage(
        message_id=text(header, "MsgId"),
        created_at=required_moment(header, "CreDtTm"),
        inquiries=tuple(_read_inquiry(element) for element in find_all(message.body, "TxInf")),
        instructing=read_agent(header, "InstgAgt"),
        instructed=read_agent(header, "InstdAgt"),
    )


def _read_inquiry(element: Element) -> Inquiry:
    return Inquiry(read_original(element), text(element, "StsReqId"), moment(element, "AccptncDtTm"))
