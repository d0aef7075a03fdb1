"""pain.001: customer credit transfer initiation. Writes version .09 for SEPA, reads .03, .08 and .09."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from apps.core.money import Money
from apps.payments.formats.epc import (
    DEFAULT_PROFILE,
    NAME_CHARS_MAX,
    REMITTANCE_CHARS_MAX,
    Address,
    SepaProfile,
    check_address,
    check_amount,
    check_iban,
    check_identifier,
    is_creditor_reference,
    to_epc_text,
)
from apps.payments.formats.errors import FormatError
from apps.payments.formats.writing import account, agent, amount, checked_document, leaf, node, total_text

PAIN001 = "pain.001.001.09"
TRANSFERS_MAX = 50_000


@dataclass(frozen=True, slots=True)
class CreditTransfer:
    """One payment: `remittance` is free text, `creditor_reference` an RF reference; never both."""

    end_to_end_id: str
    amount: Money
    creditor_name: str
    creditor_iban: str
    creditor_bic: str = ""
    creditor_address: Address | None = None
    remittance: str = ""
    creditor_reference: str = ""
    instruction_id: str = ""
    uetr: UUID | None = None
    purpose: str = ""
    ultimate_debtor_name: str = ""
    ultimate_creditor_name: str = ""


@dataclass(frozen=True, slots=True)
class CreditTransferGroup:
    """The payments of one debtor account on one day: one PmtInf."""

    id: str
    debtor_name: str
    debtor_iban: str
    execution_date: date
    transfers: tuple[CreditTransfer, ...]
    debtor_bic: str = ""
    debtor_address: Address | None = None
    instant: bool = False
    batch_booking: bool = True
    category_purpose: str = ""


@dataclass(frozen=True, slots=True)
class CreditTransferBatch:
    """A whole file. The same batch gives the same bytes; nothing is taken from a clock."""

    message_id: str
    created_at: datetime
    initiating_party: str
    groups: tuple[CreditTransferGroup, ...]


def build_credit_transfer(batch: CreditTransferBatch, *, profile: SepaProfile = DEFAULT_PROFILE) -> bytes:
    """Write SEPA credit transfers as pain.001.001.09, checked against the official schema.

    Text is transliterated into the EPC character set; identifiers, amounts, IBANs and addresses are
    checked. Raises FormatError that names the payment (place `PmtInf[1]/CdtTrfTxInf[2]/…`).
    """
    transfers = [transfer for group in batch.groups for transfer in group.transfers]
    _check_counts(batch, len(transfers))
    header = node(
        "GrpHdr",
        leaf("MsgId", check_identifier(batch.message_id, "GrpHdr/MsgId")),
        leaf("CreDtTm", batch.created_at),
        leaf("NbOfTxs", len(transfers)),
        leaf("CtrlSum", total_text(transfer.amount for transfer in transfers)),
        node("InitgPty", leaf("Nm", to_epc_text(batch.initiating_party, chars_max=NAME_CHARS_MAX))),
    )
    groups = (_group(group, f"PmtInf[{at}]", profile) for at, group in enumerate(batch.groups, start=1))
    return checked_document(PAIN001, node("CstmrCdtTrfInitn", header, *groups))


def _check_counts(batch: CreditTransferBatch, count: int) -> None:
    if not count or any(not group.transfers for group in batch.groups):
        raise FormatError("empty_batch", "A batch and each of its groups hold at least one payment.")
    if count > TRANSFERS_MAX:
        raise FormatError("too_many_payments", f"A file holds at most {TRANSFERS_MAX} payments.")
    ids = [group.id for group in batch.groups]
    if len(set(ids)) != len(ids):
        raise FormatError("duplicate_id", "Two groups have the same id.", None, "PmtInf/PmtInfId")


def _group(group: CreditTransferGroup, place: str, profile: SepaProfile) -> str:
    address = check_address(group.debtor_address, place, profile=profile, on=group.execution_date)
    transfers = (
        _transfer(transfer, f"{place}/CdtTrfTxInf[{at}]", group, profile)
        for at, transfer in enumerate(group.transfers, start=1)
    )
    return node(
        "PmtInf",
        leaf("PmtInfId", check_identifier(group.id, f"{place}/PmtInfId")),
        leaf("PmtMtd", "TRF"),
        leaf("BtchBookg", group.batch_booking),
        leaf("NbOfTxs", len(group.transfers)),
        leaf("CtrlSum", total_text(transfer.amount for transfer in group.transfers)),
        _payment_type(group),
        node("ReqdExctnDt", leaf("Dt", group.execution_date)),
        party("Dbtr", group.debtor_name, address),
        account("DbtrAcct", check_iban(group.debtor_iban, f"{place}/DbtrAcct")),
        agent("DbtrAgt", group.debtor_bic, fallback=True),
        leaf("ChrgBr", "SLEV"),
        *transfers,
    )


def _payment_type(group: CreditTransferGroup) -> str:
    return node(
        "PmtTpInf",
        node("SvcLvl", leaf("Cd", "SEPA")),
        node("LclInstrm", leaf("Cd", "INST" if group.instant else "")),
        node("CtgyPurp", leaf("Cd", group.category_purpose)),
    )


def _transfer(transfer: CreditTransfer, place: str, group: CreditTransferGroup, profile: SepaProfile) -> str:
    cap = profile.instant_amount_max if group.instant else profile.credit_amount_max
    check_amount(transfer.amount, f"{place}/Amt", amount_max=cap)
    if profile.creditor_bic_required and not transfer.creditor_bic:
        raise FormatError("bic_missing", "The bank asks for the creditor's BIC.", None, f"{place}/CdtrAgt")
    address = check_address(transfer.creditor_address, place, profile=profile, on=group.execution_date)
    return node(
        "CdtTrfTxInf",
        node(
            "PmtId",
            leaf(
                "InstrId",
                transfer.instruction_id and check_identifier(transfer.instruction_id, f"{place}/InstrId"),
            ),
            leaf("EndToEndId", check_identifier(transfer.end_to_end_id, f"{place}/EndToEndId")),
            leaf("UETR", transfer.uetr),
        ),
        node("Amt", amount("InstdAmt", transfer.amount)),
        party("UltmtDbtr", transfer.ultimate_debtor_name),
        agent("CdtrAgt", transfer.creditor_bic),
        party("Cdtr", required_name(transfer.creditor_name, f"{place}/Cdtr/Nm"), address),
        account("CdtrAcct", check_iban(transfer.creditor_iban, f"{place}/CdtrAcct")),
        party("UltmtCdtr", transfer.ultimate_creditor_name),
        node("Purp", leaf("Cd", transfer.purpose)),
        remittance(transfer.remittance, transfer.creditor_reference, place),
    )


def required_name(name: str, place: str) -> str:
    """Return the name in the EPC character set. Raises FormatError (name) if nothing is left of it."""
    written = to_epc_text(name, chars_max=NAME_CHARS_MAX)
    if not written.strip(". "):
        raise FormatError("name", "The name is empty.", None, place)
    return written


def party(tag: str, name: str, address: Address | None = None) -> str:
    """Write a party with its name and address, all in the EPC character set."""
    return node(tag, leaf("Nm", to_epc_text(name, chars_max=NAME_CHARS_MAX)), _address(address))


def _address(address: Address | None) -> str:
    if address is None:
        return ""
    return node(
        "PstlAdr",
        leaf("StrtNm", to_epc_text(address.street, chars_max=70)),
        leaf("BldgNb", to_epc_text(address.building, chars_max=16)),
        leaf("PstCd", to_epc_text(address.postcode, chars_max=16)),
        leaf("TwnNm", to_epc_text(address.town, chars_max=35)),
        leaf("Ctry", address.country),
        *(leaf("AdrLine", to_epc_text(line, chars_max=70)) for line in address.lines),
    )


def remittance(unstructured: str, reference: str, place: str) -> str:
    """Write remittance information: free text or an RF reference. Raises FormatError (remittance)."""
    if unstructured and reference:
        message = "A payment carries either free text or a structured reference."
        raise FormatError("remittance", message, None, f"{place}/RmtInf")
    if not reference:
        return node("RmtInf", leaf("Ustrd", to_epc_text(unstructured, chars_max=REMITTANCE_CHARS_MAX)))
    if not is_creditor_reference(reference):
        raise FormatError(
            "remittance", "The creditor reference's check digits are wrong.", None, f"{place}/RmtInf"
        )
    kind = node("Tp", node("CdOrPrtry", leaf("Cd", "SCOR")), leaf("Issr", "ISO"))
    return node("RmtInf", node("Strd", node("CdtrRefInf", kind, leaf("Ref", reference))))
