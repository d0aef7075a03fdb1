"""Reads pain.002 (.03, .10, and the Swiss dialect) and pacs.002 (.10)."""

from __future__ import annotations

from apps.payments.formats.errors import FormatError
from apps.payments.formats.messages import Message, read_message, require_valid
from apps.payments.formats.nodes import Element, find_all, moment, money, text, texts
from apps.payments.formats.pain001_read import read_uetr, required_moment
from apps.payments.formats.status import GroupStatus, StatusReason, StatusReport, TransactionStatus


def read_status_report(data: bytes) -> StatusReport:
    """Read a status report, bare or in an envelope, valid against its schema. Raises FormatError."""
    message = read_message(data)
    if message.kind not in ("pain.002", "pacs.002"):
        raise FormatError("wrong_message", f"A pain.002 or pacs.002 is expected, not a {message.name}.")
    require_valid(message)
    report = _report(message)
    _require_reasons(report)
    return report


def _report(message: Message) -> StatusReport:
    body = message.body
    originals = find_all(body, "OrgnlGrpInfAndSts")
    original = originals[0] if originals else None
    return StatusReport(
        format=message.name,
        message_id=text(body, "GrpHdr/MsgId"),
        created_at=required_moment(body, "GrpHdr/CreDtTm"),
        original_message_id=text(original, "OrgnlMsgId") if original is not None else "",
        original_message_name=text(original, "OrgnlMsgNmId") if original is not None else "",
        status=text(original, "GrpSts") if original is not None else "",
        reasons=_reasons(original) if original is not None else (),
        groups=tuple(_group(element) for element in find_all(body, "OrgnlPmtInfAndSts")),
        transactions=tuple(_transaction(element) for element in find_all(body, "TxInfAndSts")),
    )


def _group(element: Element) -> GroupStatus:
    return GroupStatus(
        id=text(element, "OrgnlPmtInfId"),
        status=text(element, "PmtInfSts"),
        reasons=_reasons(element),
        transactions=tuple(_transaction(tx) for tx in find_all(element, "TxInfAndSts")),
    )


def _transaction(element: Element) -> TransactionStatus:
    return TransactionStatus(
        status=text(element, "TxSts"),
        end_to_end_id=text(element, "OrgnlEndToEndId"),
        instruction_id=text(element, "OrgnlInstrId"),
        tx_id=text(element, "OrgnlTxId"),
        uetr=read_uetr(element, "OrgnlUETR"),
        status_id=text(element, "StsId"),
        reasons=_reasons(element),
        accepted_at=moment(element, "AccptncDtTm"),
        amount=money(element, "OrgnlTxRef/Amt/InstdAmt", "OrgnlTxRef/IntrBkSttlmAmt"),
        original_message_id=text(element, "OrgnlGrpInf/OrgnlMsgId"),
    )


def _reasons(element: Element) -> tuple[StatusReason, ...]:
    return tuple(
        StatusReason(text(reason, "Rsn/Cd"), text(reason, "Rsn/Prtry"), " ".join(texts(reason, "AddtlInf")))
        for reason in find_all(element, "StsRsnInf")
    )


def _require_reasons(report: StatusReport) -> None:
    """A rejection says why on its own level or below, or the report cannot be acted on."""
    transactions = report.all_transactions()
    below = any(tx.reasons for tx in transactions) or any(group.reasons for group in report.groups)
    if report.status == "RJCT" and not report.reasons and not below:
        raise FormatError(
            "reason_missing", "The file is rejected without a reason.", None, "OrgnlGrpInfAndSts"
        )
