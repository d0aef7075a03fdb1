"""Writes camt.052, camt.053 and camt.054 (version .08): customer statements, and the simulator's bank."""

from __future__ import annotations

from datetime import date, datetime

from apps.payments.formats.errors import FormatError
from apps.payments.formats.statements import (
    Balance,
    BankCode,
    Charge,
    EntryDetail,
    References,
    Statement,
    StatementEntry,
)
from apps.payments.formats.writing import account, agent, amount, checked_document, direction, leaf, node

_NAMES = {
    "statement": ("camt.053.001.08", "BkToCstmrStmt", "Stmt"),
    "interim": ("camt.052.001.08", "BkToCstmrAcctRpt", "Rpt"),
    "advice": ("camt.054.001.08", "BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}


def build_statements(*, message_id: str, created_at: datetime, statements: tuple[Statement, ...]) -> bytes:
    """Write statements of one kind as one camt file, checked against the official schema.

    The kind chooses the message: statement camt.053, interim camt.052, advice camt.054 (which has
    no balances). The same statements give the same bytes. Raises FormatError.
    """
    kinds = {statement.kind for statement in statements}
    if len(kinds) != 1 or not kinds <= set(_NAMES):
        raise FormatError("no_statement", "A file holds statements of one kind, at least one.")
    message, body, tag = _NAMES[kinds.pop()]
    header = node("GrpHdr", leaf("MsgId", message_id), leaf("CreDtTm", created_at))
    parts = (_statement(statement, tag, created_at) for statement in statements)
    return checked_document(message, node(body, header, *parts))


def _statement(statement: Statement, tag: str, created_at: datetime) -> str:
    pagination = f"{tag}Pgntn"
    pages = node(pagination, leaf("PgNb", statement.page), leaf("LastPgInd", statement.last_page))
    return node(
        tag,
        leaf("Id", statement.id),
        pages if (statement.page, statement.last_page) != (1, True) else "",
        leaf("ElctrncSeqNb", statement.sequence),
        leaf("LglSeqNb", statement.legal_sequence),
        leaf("CreDtTm", statement.created_at or created_at),
        _period(statement.from_date, statement.to_date),
        _account(statement),
        *(_balance(balance) for balance in statement.balances if tag != "Ntfctn"),
        *(_entry(entry) for entry in statement.entries),
    )


def _period(first: date | None, last: date | None) -> str:
    if first is None or last is None:
        return ""
    return node("FrToDt", leaf("FrDtTm", f"{first}T00:00:00"), leaf("ToDtTm", f"{last}T23:59:59"))


def _account(statement: Statement) -> str:
    identification = account("Acct", statement.account).removeprefix("<Acct>").removesuffix("</Acct>")
    return node("Acct", identification, leaf("Ccy", statement.currency), agent("Svcr", statement.bank_bic))


def _balance(balance: Balance) -> str:
    return node(
        "Bal",
        node("Tp", node("CdOrPrtry", leaf("Cd", balance.code))),
        amount("Amt", balance.amount),
        direction(balance.amount),
        node("Dt", leaf("Dt", balance.at_date)),
    )


def _entry(entry: StatementEntry) -> str:
    return node(
        "Ntry",
        leaf("NtryRef", entry.refs.ntry),
        amount("Amt", entry.amount),
        direction(entry.amount),
        leaf("RvslInd", entry.reversal or None),
        node("Sts", leaf("Cd", entry.status)),
        node("BookgDt", leaf("Dt", entry.booking_date)),
        node("ValDt", leaf("Dt", entry.value_date)),
        leaf("AcctSvcrRef", entry.refs.acct_svcr),
        _bank_code(entry.bank_code) or node("BkTxCd", node("Prtry", leaf("Cd", "NTRF"))),
        _charges(entry.charges),
        _details(entry),
        leaf("AddtlNtryInf", entry.info),
    )


def _bank_code(code: BankCode) -> str:
    family = node("Fmly", leaf("Cd", code.family), leaf("SubFmlyCd", code.sub_family))
    domain = node("Domn", leaf("Cd", code.domain), family) if code.domain else ""
    return node("BkTxCd", domain, node("Prtry", leaf("Cd", code.proprietary)))


def _charges(charges: tuple[Charge, ...]) -> str:
    return node(
        "Chrgs",
        *(
            node(
                "Rcrd",
                amount("Amt", charge.amount),
                direction(charge.amount),
                leaf("ChrgInclInd", charge.included),
            )
            for charge in charges
        ),
    )


def _details(entry: StatementEntry) -> str:
    details = entry.details or (_as_detail(entry),)
    batch = node(
        "Btch",
        leaf("MsgId", entry.refs.msg if entry.batch_count else ""),
        leaf("PmtInfId", entry.refs.pmtinf if entry.batch_count else ""),
        leaf("NbOfTxs", entry.batch_count),
    )
    return node("NtryDtls", batch, *(_detail(detail) for detail in details))


def _as_detail(entry: StatementEntry) -> EntryDetail:
    """Write an entry that was made without details as one with a single detail."""
    inner = entry.refs
    refs = References(
        inner.end_to_end, inner.tx, inner.instr, inner.pmtinf, inner.msg, inner.mandate,
        clearing=inner.clearing, uetr=inner.uetr, cheque=inner.cheque,
    )  # fmt: skip
    return EntryDetail(
        amount=entry.amount,
        refs=refs,
        counterparty_name=entry.counterparty_name,
        counterparty_iban=entry.counterparty_iban,
        remittance_unstructured=entry.remittance_unstructured,
        remittance_structured=entry.remittance_structured,
        return_reason=entry.return_reason,
    )


def _detail(detail: EntryDetail) -> str:
    refs = detail.refs
    return node(
        "TxDtls",
        node(
            "Refs",
            leaf("MsgId", refs.msg),
            leaf("AcctSvcrRef", refs.acct_svcr),
            leaf("PmtInfId", refs.pmtinf),
            leaf("InstrId", refs.instr),
            leaf("EndToEndId", refs.end_to_end),
            leaf("UETR", refs.uetr),
            leaf("TxId", refs.tx),
            leaf("MndtId", refs.mandate),
            leaf("ChqNb", refs.cheque),
            leaf("ClrSysRef", refs.clearing),
        ),
        amount("Amt", detail.amount),
        direction(detail.amount) if detail.amount is not None else "",
        node("AmtDtls", node("InstdAmt", amount("Amt", detail.instructed))),
        _bank_code(detail.bank_code),
        _charges(detail.charges),
        _parties(detail),
        node("Purp", leaf("Cd", detail.purpose)),
        _remittance(detail),
        node("RtrInf", node("Rsn", leaf("Cd", detail.return_reason))),
    )


def _parties(detail: EntryDetail) -> str:
    """Write the other side under the role it has in the payment, which a return does not change."""
    debit = detail.amount is not None and detail.amount.minor < 0
    side = "Cdtr" if debit != bool(detail.return_reason) else "Dbtr"
    party = node(side, node("Pty", leaf("Nm", detail.counterparty_name)))
    return node("RltdPties", party, account(f"{side}Acct", detail.counterparty_iban))


def _remittance(detail: EntryDetail) -> str:
    kind = node("Tp", node("CdOrPrtry", leaf("Cd", "SCOR")))
    reference = leaf("Ref", detail.remittance_structured)
    structured = node("Strd", node("CdtrRefInf", kind, reference)) if reference else ""
    written = detail.remittance_unstructured
    lines = (leaf("Ustrd", written[at : at + 140]) for at in range(0, len(written), 140))
    return node("RmtInf", *lines, structured)
