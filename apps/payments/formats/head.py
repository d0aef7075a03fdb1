"""head.001: the business application header, and the envelopes that carry it with its message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.payments.formats.errors import FormatError
from apps.payments.formats.interbank import Agent, agent_node, read_agent
from apps.payments.formats.messages import ISO_PREFIX, Message, read_message, schema_of
from apps.payments.formats.nodes import find, text
from apps.payments.formats.pain001_read import required_moment
from apps.payments.formats.writing import leaf, node

HEAD = "head.001.001.02"

# The element around header and document, by message, in the FedNow envelope (Federal Reserve,
# fednow-incoming and fednow-outgoing schemas).
_FEDNOW_ELEMENTS = {
    "pacs.008": "FedNowCustomerCreditTransfer",
    "pacs.009": "FedNowInstitutionCreditTransfer",
    "pacs.002": "FedNowPaymentStatus",
    "pacs.004": "FedNowPaymentReturn",
    "pacs.028": "FedNowPaymentStatusRequest",
    "camt.056": "FedNowReturnRequest",
    "camt.029": "FedNowReturnRequestResponse",
    "pain.013": "FedNowRequestForPayment",
    "pain.014": "FedNowRequestForPaymentResponse",
}


@dataclass(frozen=True, slots=True)
class ApplicationHeader:
    """Who sends which message to whom, and when. `market_practice` is (registry, id)."""

    sender: Agent
    receiver: Agent
    message_id: str
    message_name: str
    created_at: datetime
    business_service: str = ""
    market_practice: tuple[str, str] | None = None
    possible_duplicate: bool = False


def read_header(message: Message) -> ApplicationHeader | None:
    """Read the header that came with a message, if one did. Raises FormatError."""
    element = message.header
    if element is None or not text(element, "BizMsgIdr"):
        return None
    registry, practice = text(element, "MktPrctc/Regy"), text(element, "MktPrctc/Id")
    return ApplicationHeader(
        sender=read_agent(element, "Fr/FIId"),
        receiver=read_agent(element, "To/FIId"),
        message_id=text(element, "BizMsgIdr"),
        message_name=text(element, "MsgDefIdr"),
        created_at=required_moment(element, "CreDt"),
        business_service=text(element, "BizSvc"),
        market_practice=(registry, practice) if find(element, "MktPrctc") is not None else None,
        possible_duplicate=text(element, "PssblDplct") == "true",
    )


def _header(header: ApplicationHeader) -> str:
    practice = header.market_practice
    inner = "".join(
        (
            node("Fr", agent_node("FIId", header.sender)),
            node("To", agent_node("FIId", header.receiver)),
            leaf("BizMsgIdr", header.message_id),
            leaf("MsgDefIdr", header.message_name),
            leaf("BizSvc", header.business_service),
            node("MktPrctc", leaf("Regy", practice[0]), leaf("Id", practice[1])) if practice else "",
            leaf("CreDt", header.created_at),
            leaf("PssblDplct", header.possible_duplicate or None),
        )
    )
    return f'<AppHdr xmlns="{ISO_PREFIX}{HEAD}">{inner}</AppHdr>'


def wrap(
    document: bytes, header: ApplicationHeader, *, envelope: str = "plain", outgoing: bool = False
) -> bytes:
    """Put a message into an envelope with its header: "plain" (CBPR+ style) or "fednow".

    `outgoing` is the direction as FedNow names it: from the service to the participant. Raises
    FormatError (wrong_message) if header and document disagree, or the envelope does not know the message.
    """
    message = read_message(document)
    if message.name != header.message_name:
        raise FormatError("wrong_message", "The header names another message than the document is.")
    inner = _header(header) + document.decode().partition("?>")[2].strip()
    if envelope == "fednow":
        direction = "Outgoing" if outgoing else "Incoming"
        element = _FEDNOW_ELEMENTS.get(message.kind)
        if element is None:
            raise FormatError("wrong_message", "FedNow does not carry this message.")
        root = f"FedNow{direction}"
        namespace = f' xmlns="urn:fednow:{direction.lower()}:v001"'
        text_out = f"<{root}{namespace}>{node(root + 'Message', node(element, inner))}</{root}>"
    else:
        text_out = f"<Envelope>{inner}</Envelope>"
    data = f'<?xml version="1.0" encoding="UTF-8"?>\n{text_out}\n'.encode()
    _check_header(data)
    return data


def _check_header(data: bytes) -> None:
    schema, header = schema_of(HEAD), read_message(data).header
    if schema is None or header is None or not schema.validate(header):
        raise FormatError("schema", "The application header does not fit its schema.", None, "AppHdr")
