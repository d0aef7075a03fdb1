"""Reads pain.001 back: what we wrote, and what customers and other systems send."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

from apps.payments.formats.controls import require_totals
from apps.payments.formats.epc import Address
from apps.payments.formats.errors import FormatError
from apps.payments.formats.messages import Message, read_message, require_valid
from apps.payments.formats.nodes import (
    Element,
    day,
    find,
    find_all,
    flag,
    line_of,
    moment,
    money,
    text,
    texts,
)
from apps.payments.formats.pain001 import CreditTransfer, CreditTransferBatch, CreditTransferGroup


def read_credit_transfer(data: bytes) -> CreditTransferBatch:
    """Read a pain.001 of version .03, .08 or .09, valid against its schema and its control totals.

    Raises FormatError; AM18 and AM10 name wrong counts and sums.
    """
    return _batch(_checked(data))


def read_credit_transfer_lines(data: bytes) -> tuple[CreditTransferBatch, tuple[int, ...]]:
    """Read a pain.001 as `read_credit_transfer` does, with the line that each payment begins on."""
    message = _checked(data)
    groups = find_all(message.body, "PmtInf")
    lines = (line_of(transfer) or 0 for group in groups for transfer in find_all(group, "CdtTrfTxInf"))
    return _batch(message), tuple(lines)


def _checked(data: bytes) -> Message:
    message = read_message(data)
    if message.kind != "pain.001":
        raise FormatError("wrong_message", f"A pain.001 is expected, not a {message.name}.")
    require_valid(message)
    require_totals(message)
    return message


def _batch(message: Message) -> CreditTransferBatch:
    body = message.body
    return CreditTransferBatch(
        message_id=text(body, "GrpHdr/MsgId"),
        created_at=required_moment(body, "GrpHdr/CreDtTm"),
        initiating_party=text(body, "GrpHdr/InitgPty/Nm"),
        groups=tuple(_group(element) for element in find_all(body, "PmtInf")),
    )


def required_moment(element: Element, path: str) -> datetime:
    """Return a date and time; without a zone it is taken as UTC. Raises FormatError if it is missing."""
    found = moment(element, path)
    if found is None:
        raise FormatError("date_missing", "A date and time is missing.", line_of(element), path)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def required_day(element: Element, path: str) -> date:
    """Return a date. Raises FormatError if it is missing."""
    found = day(element, path)
    if found is None:
        raise FormatError("date_missing", "A date is missing.", line_of(element), path)
    return found


def _group(element: Element) -> CreditTransferGroup:
    return CreditTransferGroup(
        id=text(element, "PmtInfId"),
        debtor_name=text(element, "Dbtr/Nm"),
        debtor_iban=text(element, "DbtrAcct/Id/IBAN", "DbtrAcct/Id/Othr/Id"),
        execution_date=required_day(element, "ReqdExctnDt"),
        transfers=tuple(_transfer(transfer) for transfer in find_all(element, "CdtTrfTxInf")),
        debtor_bic=read_bic(element, "DbtrAgt"),
        debtor_address=read_address(element, "Dbtr/PstlAdr"),
        instant=text(element, "PmtTpInf/LclInstrm/Cd") == "INST",
        batch_booking=flag(element, "BtchBookg") if find(element, "BtchBookg") is not None else True,
        category_purpose=text(element, "PmtTpInf/CtgyPurp/Cd"),
    )


def _transfer(element: Element) -> CreditTransfer:
    amount = money(element, "Amt/InstdAmt", "Amt/EqvtAmt/Amt")
    if amount is None:
        raise FormatError("amount_missing", "A payment has no amount.", line_of(element), "CdtTrfTxInf/Amt")
    return CreditTransfer(
        end_to_end_id=text(element, "PmtId/EndToEndId"),
        amount=amount,
        creditor_name=text(element, "Cdtr/Nm"),
        creditor_iban=text(element, "CdtrAcct/Id/IBAN", "CdtrAcct/Id/Othr/Id"),
        creditor_bic=read_bic(element, "CdtrAgt"),
        creditor_address=read_address(element, "Cdtr/PstlAdr"),
        remittance=" ".join(texts(element, "RmtInf/Ustrd")),
        creditor_reference=text(element, "RmtInf/Strd/CdtrRefInf/Ref"),
        instruction_id=text(element, "PmtId/InstrId"),
        uetr=read_uetr(element, "PmtId/UETR"),
        purpose=text(element, "Purp/Cd"),
        ultimate_debtor_name=text(element, "UltmtDbtr/Nm"),
        ultimate_creditor_name=text(element, "UltmtCdtr/Nm"),
    )


def read_uetr(element: Element, path: str) -> UUID | None:
    """Return the unique end-to-end transaction reference, if there is one. Raises FormatError."""
    written = text(element, path)
    try:
        return UUID(written) if written else None
    except ValueError:
        raise FormatError("uetr", "This is not a UETR.", line_of(element), path) from None


def read_bic(element: Element, path: str) -> str:
    """Return the BIC of an agent, in the element of either version."""
    return text(element, f"{path}/FinInstnId/BICFI", f"{path}/FinInstnId/BIC")


def read_address(element: Element, path: str) -> Address | None:
    """Return a postal address, if there is one."""
    found = find(element, path)
    if found is None:
        return None
    return Address(
        town=text(found, "TwnNm"),
        country=text(found, "Ctry"),
        postcode=text(found, "PstCd"),
        street=text(found, "StrtNm"),
        building=text(found, "BldgNb"),
        lines=texts(found, "AdrLine"),
    )
