"""pain.008: customer direct debit initiation. Writes version .08 for SEPA core and B2B, reads .02 and .08."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from apps.core.money import Money
from apps.payments.formats.controls import require_totals
from apps.payments.formats.epc import (
    DEFAULT_PROFILE,
    NAME_CHARS_MAX,
    Address,
    SepaProfile,
    check_address,
    check_amount,
    check_iban,
    check_identifier,
    to_epc_text,
)
from apps.payments.formats.errors import FormatError
from apps.payments.formats.interbank import read_expected, required_money
from apps.payments.formats.mandates import (
    MandateReference,
    creditor_id_node,
    mandate_node,
    read_creditor_id,
    read_mandate,
)
from apps.payments.formats.nodes import Element, find, find_all, flag, text, texts
from apps.payments.formats.pain001 import TRANSFERS_MAX, party, remittance, required_name
from apps.payments.formats.pain001_read import read_address, read_bic, required_day, required_moment
from apps.payments.formats.writing import account, agent, amount, checked_document, leaf, node, total_text

PAIN008 = "pain.008.001.08"
INSTRUMENTS = frozenset({"CORE", "B2B"})
SEQUENCE_TYPES = frozenset({"FRST", "RCUR", "FNAL", "OOFF"})


@dataclass(frozen=True, slots=True)
class DirectDebit:
    """One collection under a mandate."""

    end_to_end_id: str
    amount: Money
    mandate: MandateReference | None
    debtor_name: str
    debtor_iban: str
    debtor_bic: str = ""
    debtor_address: Address | None = None
    remittance: str = ""
    creditor_reference: str = ""
    instruction_id: str = ""
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class DirectDebitGroup:
    """The collections of one creditor, due day, instrument (CORE or B2B) and sequence type."""

    id: str
    creditor_name: str
    creditor_iban: str
    creditor_id: str
    collection_date: date
    debits: tuple[DirectDebit, ...]
    instrument: str = "CORE"
    sequence_type: str = "RCUR"
    creditor_bic: str = ""
    creditor_address: Address | None = None
    batch_booking: bool = True


@dataclass(frozen=True, slots=True)
class DirectDebitBatch:
    """A whole file. The same batch gives the same bytes."""

    message_id: str
    created_at: datetime
    initiating_party: str
    groups: tuple[DirectDebitGroup, ...]


def build_direct_debit(batch: DirectDebitBatch, *, profile: SepaProfile = DEFAULT_PROFILE) -> bytes:
    """Write SEPA direct debits as pain.008.001.08, checked against the official schema.

    Raises FormatError that names the collection (place `PmtInf[1]/DrctDbtTxInf[2]/…`).
    """
    debits = [debit for group in batch.groups for debit in group.debits]
    if not debits or any(not group.debits for group in batch.groups):
        raise FormatError("empty_batch", "A batch and each of its groups hold at least one collection.")
    if len(debits) > TRANSFERS_MAX:
        raise FormatError("too_many_payments", f"A file holds at most {TRANSFERS_MAX} collections.")
    header = node(
        "GrpHdr",
        leaf("MsgId", check_identifier(batch.message_id, "GrpHdr/MsgId")),
        leaf("CreDtTm", batch.created_at),
        leaf("NbOfTxs", len(debits)),
        leaf("CtrlSum", total_text(debit.amount for debit in debits)),
        node("InitgPty", leaf("Nm", to_epc_text(batch.initiating_party, chars_max=NAME_CHARS_MAX))),
    )
    groups = (_group(group, f"PmtInf[{at}]", profile) for at, group in enumerate(batch.groups, start=1))
    return checked_document(PAIN008, node("CstmrDrctDbtInitn", header, *groups))


def _group(group: DirectDebitGroup, place: str, profile: SepaProfile) -> str:
    if group.instrument not in INSTRUMENTS or group.sequence_type not in SEQUENCE_TYPES:
        message = "The instrument is CORE or B2B, the sequence type FRST, RCUR, FNAL or OOFF."
        raise FormatError("payment_type", message, None, f"{place}/PmtTpInf")
    if not group.creditor_id:
        raise FormatError("creditor_id", "A SEPA direct debit needs a creditor identifier.", None, place)
    address = check_address(group.creditor_address, place, profile=profile, on=group.collection_date)
    debits = (
        _debit(debit, f"{place}/DrctDbtTxInf[{at}]", group, profile)
        for at, debit in enumerate(group.debits, start=1)
    )
    return node(
        "PmtInf",
        leaf("PmtInfId", check_identifier(group.id, f"{place}/PmtInfId")),
        leaf("PmtMtd", "DD"),
        leaf("BtchBookg", group.batch_booking),
        leaf("NbOfTxs", len(group.debits)),
        leaf("CtrlSum", total_text(debit.amount for debit in group.debits)),
        node(
            "PmtTpInf",
            node("SvcLvl", leaf("Cd", "SEPA")),
            node("LclInstrm", leaf("Cd", group.instrument)),
            leaf("SeqTp", group.sequence_type),
        ),
        leaf("ReqdColltnDt", group.collection_date),
        party("Cdtr", required_name(group.creditor_name, f"{place}/Cdtr"), address),
        account("CdtrAcct", check_iban(group.creditor_iban, f"{place}/CdtrAcct")),
        agent("CdtrAgt", group.creditor_bic, fallback=True),
        leaf("ChrgBr", "SLEV"),
        creditor_id_node("CdtrSchmeId", group.creditor_id),
        *debits,
    )


def _debit(debit: DirectDebit, place: str, group: DirectDebitGroup, profile: SepaProfile) -> str:
    if debit.mandate is None:
        raise FormatError("mandate", "A collection needs its mandate.", None, place)
    check_amount(debit.amount, f"{place}/InstdAmt", amount_max=profile.credit_amount_max)
    address = check_address(debit.debtor_address, place, profile=profile, on=group.collection_date)
    return node(
        "DrctDbtTxInf",
        node(
            "PmtId",
            leaf(
                "InstrId", debit.instruction_id and check_identifier(debit.instruction_id, f"{place}/InstrId")
            ),
            leaf("EndToEndId", check_identifier(debit.end_to_end_id, f"{place}/EndToEndId")),
        ),
        amount("InstdAmt", debit.amount),
        node("DrctDbtTx", mandate_node(debit.mandate, place)),
        agent("DbtrAgt", debit.debtor_bic, fallback=True),
        party("Dbtr", required_name(debit.debtor_name, f"{place}/Dbtr"), address),
        account("DbtrAcct", check_iban(debit.debtor_iban, f"{place}/DbtrAcct")),
        node("Purp", leaf("Cd", debit.purpose)),
        remittance(debit.remittance, debit.creditor_reference, place),
    )


def read_direct_debit(data: bytes) -> DirectDebitBatch:
    """Read a pain.008 of version .02 or .08, with right control totals. Raises FormatError."""
    message = read_expected(data, "pain.008")
    require_totals(message)
    body = message.body
    return DirectDebitBatch(
        message_id=text(body, "GrpHdr/MsgId"),
        created_at=required_moment(body, "GrpHdr/CreDtTm"),
        initiating_party=text(body, "GrpHdr/InitgPty/Nm"),
        groups=tuple(_read_group(element) for element in find_all(body, "PmtInf")),
    )


def _read_group(element: Element) -> DirectDebitGroup:
    return DirectDebitGroup(
        id=text(element, "PmtInfId"),
        creditor_name=text(element, "Cdtr/Nm"),
        creditor_iban=text(element, "CdtrAcct/Id/IBAN", "CdtrAcct/Id/Othr/Id"),
        creditor_id=read_creditor_id(element, "CdtrSchmeId")
        or read_creditor_id(element, "DrctDbtTxInf/DrctDbtTx/CdtrSchmeId"),
        collection_date=required_day(element, "ReqdColltnDt"),
        debits=tuple(_read_debit(debit) for debit in find_all(element, "DrctDbtTxInf")),
        instrument=text(element, "PmtTpInf/LclInstrm/Cd"),
        sequence_type=text(element, "PmtTpInf/SeqTp"),
        creditor_bic=read_bic(element, "CdtrAgt"),
        creditor_address=read_address(element, "Cdtr/PstlAdr"),
        batch_booking=flag(element, "BtchBookg") if find(element, "BtchBookg") is not None else True,
    )


def _read_debit(element: Element) -> DirectDebit:
    return DirectDebit(
        end_to_end_id=text(element, "PmtId/EndToEndId"),
        amount=required_money(element, "InstdAmt"),
        mandate=read_mandate(element, "DrctDbtTx/MndtRltdInf"),
        debtor_name=text(element, "Dbtr/Nm"),
        debtor_iban=text(element, "DbtrAcct/Id/IBAN", "DbtrAcct/Id/Othr/Id"),
        debtor_bic=read_bic(element, "DbtrAgt"),
        debtor_address=read_address(element, "Dbtr/PstlAdr"),
        remittance=" ".join(texts(element, "RmtInf/Ustrd")),
        creditor_reference=text(element, "RmtInf/Strd/CdtrRefInf/Ref"),
        instruction_id=text(element, "PmtId/InstrId"),
        purpose=text(element, "Purp/Cd"),
    )
