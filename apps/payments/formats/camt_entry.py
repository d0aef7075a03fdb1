"""Reads one camt entry (`Ntry`) and the transactions inside it."""

from __future__ import annotations

from apps.core.money import Money
from apps.payments.formats.errors import FormatError
from apps.payments.formats.nodes import (
    Element,
    day,
    find,
    find_all,
    flag,
    line_of,
    money,
    text,
    texts,
    values,
)
from apps.payments.formats.statements import (
    BOOKED,
    BankCode,
    Charge,
    EntryDetail,
    References,
    StatementEntry,
)

DETAILS_MAX = 25_000
"""An entry with more transactions than this is refused."""


def signed(element: Element, amount: Money) -> Money:
    """Give the amount the sign of the element's CdtDbtInd: DBIT is negative. Raises FormatError."""
    match text(element, "CdtDbtInd"):
        case "CRDT":
            return amount
        case "DBIT":
            return -amount
    message = "The credit or debit indicator is missing or unknown."
    raise FormatError("direction_missing", message, line_of(element), "CdtDbtInd")


def read_entry(element: Element, position: int) -> StatementEntry:
    """Read an entry; `position` counts from 1 inside its statement. Raises FormatError."""
    written = money(element, "Amt")
    if written is None:
        raise FormatError(
            "amount_missing", "An entry has no amount.", line_of(element), f"Ntry[{position}]/Amt"
        )
    amount = signed(element, written)
    transactions = find_all(element, "NtryDtls/TxDtls")
    if len(transactions) > DETAILS_MAX:
        raise FormatError(
            "too_many_details", f"An entry has more than {DETAILS_MAX} details.", line_of(element)
        )
    details = tuple(_read_detail(tx, amount, alone=len(transactions) == 1) for tx in transactions)
    only = details[0] if len(details) == 1 else None
    return StatementEntry(
        position=position,
        amount=amount,
        status=text(element, "Sts/Cd", "Sts/Prtry", "Sts") or BOOKED,
        booking_date=day(element, "BookgDt"),
        value_date=day(element, "ValDt"),
        refs=_entry_references(element, only),
        bank_code=_read_bank_code(element),
        reversal=flag(element, "RvslInd"),
        return_reason=only.return_reason if only else "",
        counterparty_name=only.counterparty_name if only else "",
        counterparty_iban=only.counterparty_iban if only else "",
        remittance_unstructured=only.remittance_unstructured if only else "",
        remittance_structured=only.remittance_structured if only else "",
        charges=_read_charges(element),
        details=details,
        batch_count=_batch_count(element),
        info=text(element, "AddtlNtryInf"),
        line=line_of(element),
    )


def _batch_count(element: Element) -> int | None:
    written = text(element, "NtryDtls/Btch/NbOfTxs")
    return int(written) if written.isascii() and written.isdigit() and len(written) <= 15 else None


def _entry_references(element: Element, only: EntryDetail | None) -> References:
    """Take a single transaction's references, completed with those of the entry and its batch."""
    inner = only.refs if only else References()
    return References(
        end_to_end=inner.end_to_end,
        tx=inner.tx,
        instr=inner.instr,
        pmtinf=inner.pmtinf or text(element, "NtryDtls/Btch/PmtInfId"),
        msg=inner.msg or text(element, "NtryDtls/Btch/MsgId"),
        mandate=inner.mandate,
        acct_svcr=text(element, "AcctSvcrRef") or inner.acct_svcr,
        ntry=text(element, "NtryRef"),
        clearing=inner.clearing,
        uetr=inner.uetr,
        cheque=inner.cheque,
    )


def _read_bank_code(element: Element) -> BankCode:
    code = find(element, "BkTxCd")
    if code is None:
        return BankCode()
    family = values(find(code, "Domn/Fmly"))
    return BankCode(
        domain=text(code, "Domn/Cd"),
        family=family.get("Cd", ""),
        sub_family=family.get("SubFmlyCd", ""),
        proprietary=text(code, "Prtry/Cd"),
    )


def _read_charges(element: Element) -> tuple[Charge, ...]:
    """Read charges of both shapes: repeated `Chrgs` (versions to .03) and `Chrgs/Rcrd` (later)."""
    records = find_all(element, "Chrgs/Rcrd") or [
        c for c in find_all(element, "Chrgs") if find(c, "Amt") is not None
    ]
    charges = []
    for record in records:
        amount = money(record, "Amt")
        if amount is None:
            continue
        credit = text(record, "CdtDbtInd") == "CRDT"
        included = flag(record, "ChrgInclInd") if find(record, "ChrgInclInd") is not None else None
        reason = text(record, "Tp/Cd", "Tp/Prtry/Id", "Tp/Prtry")
        charges.append(Charge(amount if credit else -amount, included, reason))
    return tuple(charges)


def _read_detail(element: Element, entry_amount: Money, *, alone: bool) -> EntryDetail:
    debit = _is_debit(element, entry_amount)
    parties = find(element, "RltdPties")
    # The other side is the creditor of a debit, the debtor of a credit; a return turns it round.
    side = "Cdtr" if debit != _is_return(element) else "Dbtr"
    return EntryDetail(
        amount=_detail_amount(element, entry_amount, debit=debit, alone=alone),
        refs=_read_references(element),
        bank_code=_read_bank_code(element),
        counterparty_name=_counterparty_name(parties, side),
        counterparty_iban=_counterparty_account(parties, side),
        remittance_unstructured=" ".join(part for part in texts(element, "RmtInf/Ustrd") if part),
        remittance_structured=text(element, "RmtInf/Strd/CdtrRefInf/Ref", "RmtInf/Strd/CdtrRefInf/CdtrRef"),
        return_reason=text(element, "RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry"),
        purpose=text(element, "Purp/Cd", "Purp/Prtry"),
        instructed=money(element, "AmtDtls/InstdAmt/Amt"),
        charges=_read_charges(element),
    )


def _is_debit(element: Element, entry_amount: Money) -> bool:
    indicator = text(element, "CdtDbtInd")
    return indicator == "DBIT" if indicator else entry_amount.minor < 0


def _detail_amount(element: Element, entry_amount: Money, *, debit: bool, alone: bool) -> Money | None:
    """Take the transaction's own amount; a lone transaction without one has the entry's.

    A lone transaction in a foreign currency stands for the whole entry, since the entry's amount is
    what was booked.
    """
    amount = money(element, "Amt", "AmtDtls/TxAmt/Amt")
    if alone and (amount is None or amount.currency != entry_amount.currency):
        return entry_amount
    if amount is None:
        return None
    return -amount if debit else amount


def _read_references(element: Element) -> References:
    refs = values(find(element, "Refs"))
    return References(
        end_to_end=_known(refs.get("EndToEndId", "")),
        tx=refs.get("TxId", ""),
        instr=refs.get("InstrId", ""),
        pmtinf=refs.get("PmtInfId", ""),
        msg=refs.get("MsgId", ""),
        mandate=refs.get("MndtId", ""),
        acct_svcr=refs.get("AcctSvcrRef", ""),
        clearing=refs.get("ClrSysRef", ""),
        uetr=refs.get("UETR", ""),
        cheque=refs.get("ChqNb", ""),
    )


def _known(reference: str) -> str:
    return "" if reference == "NOTPROVIDED" else reference


def _counterparty_name(parties: Element | None, side: str) -> str:
    if parties is None:
        return ""
    name = text(parties, f"{side}/Pty/Nm", f"{side}/Nm")
    return name or text(parties, f"Ultmt{side}/Pty/Nm", f"Ultmt{side}/Nm")


def _counterparty_account(parties: Element | None, side: str) -> str:
    return "" if parties is None else text(parties, f"{side}Acct/Id/IBAN", f"{side}Acct/Id/Othr/Id")


def _is_return(element: Element) -> bool:
    """In a return the parties keep the roles of the original payment, while the direction is reversed."""
    return find(element, "RtrInf") is not None
