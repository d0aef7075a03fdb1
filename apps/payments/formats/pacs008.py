"""pacs.008: credit transfer between banks. Used by instant SEPA and by FedNow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from apps.core.money import Money
from apps.payments.formats.controls import require_totals
from apps.payments.formats.epc import Address
from apps.payments.formats.errors import FormatError
from apps.payments.formats.interbank import (
    CLEARING,
    NO_AGENT,
    NO_TYPE,
    Agent,
    PaymentType,
    Settlement,
    agent_node,
    read_agent,
    read_expected,
    read_settlement,
    read_type,
    required_agent,
    required_money,
    settlement_node,
    type_node,
)
from apps.payments.formats.nodes import Element, day, find_all, moment, money, text, texts
from apps.payments.formats.pain001 import party, remittance, required_name
from apps.payments.formats.pain001_read import read_address, read_uetr, required_moment
from apps.payments.formats.writing import account, amount, checked_document, leaf, node, total_text

PACS008 = "pacs.008.001.08"


@dataclass(frozen=True, slots=True)
class InterbankTransfer:
    """One credit transfer. `accepted_at` is the time stamp that starts the instant payment's clock."""

    end_to_end_id: str
    amount: Money
    debtor_name: str
    debtor_account: str
    debtor_agent: Agent
    creditor_name: str
    creditor_account: str
    creditor_agent: Agent
    tx_id: str = ""
    instruction_id: str = ""
    uetr: UUID | None = None
    settlement_date: date | None = None
    accepted_at: datetime | None = None
    debtor_address: Address | None = None
    creditor_address: Address | None = None
    remittance: str = ""
    creditor_reference: str = ""
    charge_bearer: str = "SLEV"
    purpose: str = ""
    type: PaymentType = NO_TYPE
    instructing: Agent = NO_AGENT
    instructed: Agent = NO_AGENT


@dataclass(frozen=True, slots=True)
class TransferMessage:
    """A message of one or more transfers. `type` stands in the header where the scheme wants it there."""

    message_id: str
    created_at: datetime
    transfers: tuple[InterbankTransfer, ...]
    settlement: Settlement = CLEARING
    type: PaymentType = NO_TYPE
    settlement_date: date | None = None
    total: Money | None = None
    instructing: Agent = NO_AGENT
    instructed: Agent = NO_AGENT


def build_interbank_transfer(message: TransferMessage) -> bytes:
    """Write a pacs.008.001.08, checked against the official schema. Raises FormatError."""
    if not message.transfers:
        raise FormatError("empty_batch", "A message holds at least one transfer.")
    header = node(
        "GrpHdr",
        leaf("MsgId", message.message_id),
        leaf("CreDtTm", message.created_at),
        leaf("NbOfTxs", len(message.transfers)),
        leaf("CtrlSum", total_text(transfer.amount for transfer in message.transfers)),
        amount("TtlIntrBkSttlmAmt", message.total),
        leaf("IntrBkSttlmDt", message.settlement_date),
        settlement_node(message.settlement),
        type_node(message.type),
        agent_node("InstgAgt", message.instructing),
        agent_node("InstdAgt", message.instructed),
    )
    parts = (
        _transfer(transfer, f"CdtTrfTxInf[{at}]") for at, transfer in enumerate(message.transfers, start=1)
    )
    return checked_document(PACS008, node("FIToFICstmrCdtTrf", header, *parts))


def _transfer(transfer: InterbankTransfer, place: str) -> str:
    return node(
        "CdtTrfTxInf",
        node(
            "PmtId",
            leaf("InstrId", transfer.instruction_id),
            leaf("EndToEndId", transfer.end_to_end_id),
            leaf("TxId", transfer.tx_id),
            leaf("UETR", transfer.uetr),
        ),
        type_node(transfer.type),
        amount("IntrBkSttlmAmt", transfer.amount),
        leaf("IntrBkSttlmDt", transfer.settlement_date),
        leaf("AccptncDtTm", transfer.accepted_at),
        leaf("ChrgBr", transfer.charge_bearer),
        agent_node("InstgAgt", transfer.instructing),
        agent_node("InstdAgt", transfer.instructed),
        party("Dbtr", required_name(transfer.debtor_name, f"{place}/Dbtr"), transfer.debtor_address),
        account("DbtrAcct", transfer.debtor_account),
        required_agent("DbtrAgt", transfer.debtor_agent),
        required_agent("CdtrAgt", transfer.creditor_agent),
        party("Cdtr", required_name(transfer.creditor_name, f"{place}/Cdtr"), transfer.creditor_address),
        account("CdtrAcct", transfer.creditor_account),
        node("Purp", leaf("Cd", transfer.purpose)),
        remittance(transfer.remittance, transfer.creditor_reference, place),
    )


def read_interbank_transfer(data: bytes) -> TransferMessage:
    """Read a pacs.008, bare or in an envelope, with right control totals. Raises FormatError."""
    message = read_expected(data, "pacs.008")
    require_totals(message)
    header = find_all(message.body, "GrpHdr")[0]
    return TransferMessage(
        message_id=text(header, "MsgId"),
        created_at=required_moment(header, "CreDtTm"),
        transfers=tuple(_read_transfer(element) for element in find_all(message.body, "CdtTrfTxInf")),
        settlement=read_settlement(header),
        type=read_type(header),
        settlement_date=day(header, "IntrBkSttlmDt"),
        total=money(header, "TtlIntrBkSttlmAmt"),
        instructing=read_agent(header, "InstgAgt"),
        instructed=read_agent(header, "InstdAgt"),
    )


def _read_transfer(element: Element) -> InterbankTransfer:
    return InterbankTransfer(
        end_to_end_id=text(element, "PmtId/EndToEndId"),
        amount=required_money(element, "IntrBkSttlmAmt"),
        debtor_name=text(element, "Dbtr/Nm"),
        debtor_account=text(element, "DbtrAcct/Id/IBAN", "DbtrAcct/Id/Othr/Id"),
        debtor_agent=read_agent(element, "DbtrAgt"),
        creditor_name=text(element, "Cdtr/Nm"),
        creditor_account=text(element, "CdtrAcct/Id/IBAN", "CdtrAcct/Id/Othr/Id"),
        creditor_agent=read_agent(element, "CdtrAgt"),
        tx_id=text(element, "PmtId/TxId"),
        instruction_id=text(element, "PmtId/InstrId"),
        uetr=read_uetr(element, "PmtId/UETR"),
        settlement_date=day(element, "IntrBkSttlmDt"),
        accepted_at=moment(element, "AccptncDtTm"),
        debtor_address=read_address(element, "Dbtr/PstlAdr"),
        creditor_address=read_address(element, "Cdtr/PstlAdr"),
        remittance=" ".join(texts(element, "RmtInf/Ustrd")),
        creditor_reference=text(element, "RmtInf/Strd/CdtrRefInf/Ref"),
        charge_bearer=text(element, "ChrgBr"),
        purpose=text(element, "Purp/Cd"),
        type=read_type(element),
        instructing=read_agent(element, "InstgAgt"),
        instructed=read_agent(element, "InstdAgt"),
    )
