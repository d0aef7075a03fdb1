"""pacs.003: direct debit between banks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from apps.core.money import Money
from apps.payments.formats.controls import require_totals
from apps.payments.formats.errors import FormatError
from apps.payments.formats.interbank import (
    CLEARING,
    NO_TYPE,
    Agent,
    PaymentType,
    Settlement,
    read_agent,
    read_expected,
    read_settlement,
    read_type,
    required_agent,
    required_money,
    settlement_node,
    type_node,
)
from apps.payments.formats.mandates import (
    MandateReference,
    creditor_id_node,
    mandate_node,
    read_creditor_id,
    read_mandate,
)
from apps.payments.formats.nodes import Element, day, find_all, text, texts
from apps.payments.formats.pain001 import party, remittance, required_name
from apps.payments.formats.pain001_read import required_day, required_moment
from apps.payments.formats.writing import account, amount, checked_document, leaf, node, total_text

PACS003 = "pacs.003.001.08"


@dataclass(frozen=True, slots=True)
class InterbankDebit:
    """One collection between banks."""

    end_to_end_id: str
    tx_id: str
    amount: Money
    collection_date: date
    mandate: MandateReference | None
    creditor_id: str
    creditor_name: str
    creditor_account: str
    creditor_agent: Agent
    debtor_name: str
    debtor_account: str
    debtor_agent: Agent
    instruction_id: str = ""
    settlement_date: date | None = None
    remittance: str = ""
    creditor_reference: str = ""
    type: PaymentType = NO_TYPE


@dataclass(frozen=True, slots=True)
class DebitMessage:
    """A message of one or more collections."""

    message_id: str
    created_at: datetime
    debits: tuple[InterbankDebit, ...]
    settlement: Settlement = CLEARING


def build_interbank_debit(message: DebitMessage) -> bytes:
    """Write a pacs.003.001.08, checked against the official schema. Raises FormatError."""
    if not message.debits:
        raise FormatError("empty_batch", "A message holds at least one collection.")
    header = node(
        "GrpHdr",
        leaf("MsgId", message.message_id),
        leaf("CreDtTm", message.created_at),
        leaf("NbOfTxs", len(message.debits)),
        leaf("CtrlSum", total_text(debit.amount for debit in message.debits)),
        settlement_node(message.settlement),
    )
    parts = (_debit(debit, f"DrctDbtTxInf[{at}]") for at, debit in enumerate(message.debits, start=1))
    return checked_document(PACS003, node("FIToFICstmrDrctDbt", header, *parts))


def _debit(debit: InterbankDebit, place: str) -> str:
    if debit.mandate is None:
        raise FormatError("mandate", "A collection needs its mandate.", None, place)
    mandate = mandate_node(debit.mandate, place)
    return node(
        "DrctDbtTxInf",
        node(
            "PmtId",
            leaf("InstrId", debit.instruction_id),
            leaf("EndToEndId", debit.end_to_end_id),
            leaf("TxId", debit.tx_id),
        ),
        type_node(debit.type),
        amount("IntrBkSttlmAmt", debit.amount),
        leaf("IntrBkSttlmDt", debit.settlement_date),
        leaf("ChrgBr", "SLEV"),
        leaf("ReqdColltnDt", debit.collection_date),
        node("DrctDbtTx", mandate, creditor_id_node("CdtrSchmeId", debit.creditor_id)),
        party("Cdtr", required_name(debit.creditor_name, f"{place}/Cdtr")),
        account("CdtrAcct", debit.creditor_account),
        required_agent("CdtrAgt", debit.creditor_agent),
        party("Dbtr", required_name(debit.debtor_name, f"{place}/Dbtr")),
        account("DbtrAcct", debit.debtor_account),
        required_agent("DbtrAgt", debit.debtor_agent),
        remittance(debit.remittance, debit.creditor_reference, place),
    )


def read_interbank_debit(data: bytes) -> DebitMessage:
    """Read a pacs.003, bare or in an envelope, with right control totals. Raises FormatError."""
    message = read_expected(data, "pacs.003")
    require_totals(message)
    header = find_all(message.body, "GrpHdr")[0]
    return DebitMessage(
        message_id=text(header, "MsgId"),
        created_at=required_moment(header, "CreDtTm"),
        debits=tuple(_read_debit(element) for element in find_all(message.body, "DrctDbtTxInf")),
        settlement=read_settlement(header),
    )


def _read_debit(element: Element) -> InterbankDebit:
    return InterbankDebit(
        end_to_end_id=text(element, "PmtId/EndToEndId"),
        tx_id=text(element, "PmtId/TxId"),
        amount=required_money(element, "IntrBkSttlmAmt"),
        collection_date=required_day(element, "ReqdColltnDt"),
        mandate=read_mandate(element, "DrctDbtTx/MndtRltdInf"),
        creditor_id=read_creditor_id(element, "DrctDbtTx/CdtrSchmeId"),
        creditor_name=text(element, "Cdtr/Nm"),
        creditor_account=text(element, "CdtrAcct/Id/IBAN", "CdtrAcct/Id/Othr/Id"),
        creditor_agent=read_agent(element, "CdtrAgt"),
        debtor_name=text(element, "Dbtr/Nm"),
        debtor_account=text(element, "DbtrAcct/Id/IBAN", "DbtrAcct/Id/Othr/Id"),
        debtor_agent=read_agent(element, "DbtrAgt"),
        instruction_id=text(element, "PmtId/InstrId"),
        settlement_date=day(element, "IntrBkSttlmDt"),
        remittance=" ".join(texts(element, "RmtInf/Ustrd")),
        creditor_reference=text(element, "RmtInf/Strd/CdtrRefInf/Ref"),
        type=read_type(element),
    )
