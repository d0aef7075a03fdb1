"""Writes pain.002.001.03 / .10 and pacs.002.001.10: what a bank answers."""

from __future__ import annotations

from apps.payments.formats.errors import FormatError
from apps.payments.formats.status import GroupStatus, StatusReason, StatusReport, TransactionStatus
from apps.payments.formats.writing import amount, checked_document, leaf, node

WRITABLE = frozenset({"pain.002.001.03", "pain.002.001.10", "pacs.002.001.10"})


def build_status_report(report: StatusReport) -> bytes:
    """Write a status report in the version its `format` names, checked against the official schema.

    Raises FormatError (wrong_message, schema).
    """
    if report.format not in WRITABLE:
        raise FormatError("wrong_message", "This status report cannot be written.", None, "format")
    header = node("GrpHdr", leaf("MsgId", report.message_id), leaf("CreDtTm", report.created_at))
    modern = not report.format.endswith(".03")
    if report.format.startswith("pacs"):
        parts = [_interbank(tx, report) for tx in report.transactions]
        return checked_document(report.format, node("FIToFIPmtStsRpt", header, *parts))
    original = node(
        "OrgnlGrpInfAndSts",
        leaf("OrgnlMsgId", report.original_message_id),
        leaf("OrgnlMsgNmId", report.original_message_name),
        leaf("GrpSts", report.status),
        _reasons(report.reasons),
    )
    groups = (_group(group, modern=modern) for group in report.groups)
    return checked_document(report.format, node("CstmrPmtStsRpt", header, original, *groups))


def _group(group: GroupStatus, *, modern: bool) -> str:
    return node(
        "OrgnlPmtInfAndSts",
        leaf("OrgnlPmtInfId", group.id),
        leaf("PmtInfSts", group.status),
        _reasons(group.reasons),
        *(_customer(tx, modern=modern) for tx in group.transactions),
    )


def _customer(tx: TransactionStatus, *, modern: bool) -> str:
    return node(
        "TxInfAndSts",
        leaf("StsId", tx.status_id),
        leaf("OrgnlInstrId", tx.instruction_id),
        leaf("OrgnlEndToEndId", tx.end_to_end_id),
        leaf("OrgnlUETR", tx.uetr if modern else None),
        leaf("TxSts", tx.status),
        _reasons(tx.reasons),
        leaf("AccptncDtTm", tx.accepted_at),
        node("OrgnlTxRef", node("Amt", amount("InstdAmt", tx.amount))),
    )


def _interbank(tx: TransactionStatus, report: StatusReport) -> str:
    original = tx.original_message_id or report.original_message_id
    name = leaf("OrgnlMsgNmId", report.original_message_name or "pacs.008.001.08")
    return node(
        "TxInfAndSts",
        leaf("StsId", tx.status_id),
        node("OrgnlGrpInf", leaf("OrgnlMsgId", original), name) if original else "",
        leaf("OrgnlInstrId", tx.instruction_id),
        leaf("OrgnlEndToEndId", tx.end_to_end_id),
        leaf("OrgnlTxId", tx.tx_id),
        leaf("OrgnlUETR", tx.uetr),
        leaf("TxSts", tx.status),
        _reasons(tx.reasons),
        leaf("AccptncDtTm", tx.accepted_at),
        node("OrgnlTxRef", amount("IntrBkSttlmAmt", tx.amount)),
    )


def _reasons(reasons: tuple[StatusReason, ...]) -> str:
    return "".join(
        node(
            "StsRsnInf",
            node("Rsn", leaf("Cd", reason.code) or leaf("Prtry", reason.proprietary)),
            *(leaf("AddtlInf", reason.text[at : at + 105]) for at in range(0, len(reason.text), 105)),
        )
        for reason in reasons
    )
