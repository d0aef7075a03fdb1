"""Recalls: camt.056 asks for a settled payment to be cancelled, camt.029 answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.core.money import Money
from apps.payments.formats.errors import FormatError
from apps.payments.formats.interbank import (
    Agent,
    OriginalPayment,
    agent_party,
    original_group,
    original_references,
    read_agent,
    read_expected,
    read_original,
)
from apps.payments.formats.nodes import Element, find_all, money, text, texts
from apps.payments.formats.pain001_read import required_moment
from apps.payments.formats.writing import amount, checked_document, leaf, node

CAMT056, CAMT029 = "camt.056.001.08", "camt.029.001.09"
REJECTED, ACCEPTED, PENDING = "RJCR", "ACCR", "PDCR"


@dataclass(frozen=True, slots=True)
class Recall:
    """A request to cancel one payment: why (DUPL, TECH, FRAD, CUST, AM09, AC03 …) and which."""

    cancellation_id: str
    reason: str
    original: OriginalPayment
    information: str = ""


@dataclass(frozen=True, slots=True)
class RecallMessage:
    """A camt.056: from one bank to another, about one or more payments."""

    id: str
    created_at: datetime
    sender: Agent
    receiver: Agent
    recalls: tuple[Recall, ...]


@dataclass(frozen=True, slots=True)
class RecallAnswer:
    """The answer about one payment. `status` is ACCR, RJCR or PDCR; a rejection says why."""

    status: str
    cancellation_id: str
    original: OriginalPayment
    reason: str = ""
    information: str = ""
    returned: Money | None = None


@dataclass(frozen=True, slots=True)
class RecallAnswerMessage:
    """A camt.029. `confirmation` is the status of the whole case (CNCL, RJCR, PDCR, IPAY)."""

    id: str
    created_at: datetime
    sender: Agent
    receiver: Agent
    confirmation: str
    answers: tuple[RecallAnswer, ...]
    case_id: str = ""


def build_recall(message: RecallMessage) -> bytes:
    """Write a camt.056.001.08, checked against the official schema. Raises FormatError."""
    if not message.recalls:
        raise FormatError("empty_batch", "A recall names at least one payment.")
    control = node("CtrlData", leaf("NbOfTxs", len(message.recalls)))
    underlying = node("Undrlyg", *(_recall(recall) for recall in message.recalls))
    body = node("FIToFIPmtCxlReq", _assignment(message), control, underlying)
    return checked_document(CAMT056, body)


def _assignment(message: RecallMessage | RecallAnswerMessage) -> str:
    return node(
        "Assgnmt",
        leaf("Id", message.id),
        agent_party("Assgnr", message.sender),
        agent_party("Assgne", message.receiver),
        leaf("CreDtTm", message.created_at),
    )


def _recall(recall: Recall) -> str:
    original = recall.original
    return node(
        "TxInf",
        leaf("CxlId", recall.cancellation_id),
        original_group(original),
        original_references(original),
        amount("OrgnlIntrBkSttlmAmt", original.amount),
        leaf("OrgnlIntrBkSttlmDt", original.settlement_date),
        node("CxlRsnInf", node("Rsn", leaf("Cd", recall.reason)), leaf("AddtlInf", recall.information[:105])),
    )


def read_recall(data: bytes) -> RecallMessage:
    """Read a camt.056, bare or in an envelope. Raises FormatError."""
    message = read_expected(data, "camt.056")
    body = message.body
    return RecallMessage(
        id=text(body, "Assgnmt/Id"),
        created_at=required_moment(body, "Assgnmt/CreDtTm"),
        sender=read_agent(body, "Assgnmt/Assgnr/Agt"),
        receiver=read_agent(body, "Assgnmt/Assgne/Agt"),
        recalls=tuple(
            _read_recall(tx, group) for group in find_all(body, "Undrlyg") for tx in find_all(group, "TxInf")
        ),
    )


def _read_recall(element: Element, group: Element) -> Recall:
    return Recall(
        cancellation_id=text(element, "CxlId"),
        reason=text(element, "CxlRsnInf/Rsn/Cd", "CxlRsnInf/Rsn/Prtry"),
        original=_with_group(read_original(element), group, "OrgnlGrpInfAndCxl"),
        information=" ".join(texts(element, "CxlRsnInf/AddtlInf")),
    )


def _with_group(original: OriginalPayment, group: Element, name: str) -> OriginalPayment:
    """Complete a payment's references with the original message named beside it."""
    if original.message_id:
        return original
    return OriginalPayment(
        text(group, f"{name}/OrgnlMsgId"),
        text(group, f"{name}/OrgnlMsgNmId"),
        original.instruction_id,
        original.end_to_end_id,
        original.tx_id,
        original.uetr,
        original.amount,
        original.settlement_date,
    )


def build_recall_answer(message: RecallAnswerMessage) -> bytes:
    """Write a camt.029.001.09, checked against the official schema. Raises FormatError (reason_missing)."""
    for answer in message.answers:
        if answer.status == REJECTED and not answer.reason:
            raise FormatError("reason_missing", "A rejected recall says why.", None, "CxlStsRsnInf")
    case = node("RslvdCase", leaf("Id", message.case_id), agent_party("Cretr", message.receiver))
    details = node("CxlDtls", *(_answer(answer) for answer in message.answers))
    body = node(
        "RsltnOfInvstgtn",
        _assignment(message),
        case if message.case_id else "",
        node("Sts", leaf("Conf", message.confirmation)),
        details,
    )
    return checked_document(CAMT029, body)


def _answer(answer: RecallAnswer) -> str:
    original = answer.original
    reason = node("Rsn", leaf("Cd", answer.reason))
    return node(
        "TxInfAndSts",
        leaf("CxlStsId", answer.cancellation_id),
        original_group(original),
        leaf("OrgnlInstrId", original.instruction_id),
        leaf("OrgnlEndToEndId", original.end_to_end_id),
        leaf("OrgnlTxId", original.tx_id),
        leaf("OrgnlUETR", original.uetr),
        leaf("TxCxlSts", answer.status),
        node("CxlStsRsnInf", reason, leaf("AddtlInf", answer.information[:105])) if reason else "",
        node("RsltnRltdInf", amount("IntrBkSttlmAmt", answer.returned)),
        amount("OrgnlIntrBkSttlmAmt", original.amount),
        leaf("OrgnlIntrBkSttlmDt", original.settlement_date),
    )


def read_recall_answer(data: bytes) -> RecallAnswerMessage:
    """Read a camt.029, bare or in an envelope. Raises FormatError."""
    message = read_expected(data, "camt.029")
    body = message.body
    return RecallAnswerMessage(
        id=text(body, "Assgnmt/Id"),
        created_at=required_moment(body, "Assgnmt/CreDtTm"),
        sender=read_agent(body, "Assgnmt/Assgnr/Agt"),
        receiver=read_agent(body, "Assgnmt/Assgne/Agt"),
        confirmation=text(body, "Sts/Conf"),
        answers=tuple(
            _read_answer(tx, group)
            for group in find_all(body, "CxlDtls")
            for tx in find_all(group, "TxInfAndSts")
        ),
        case_id=text(body, "RslvdCase/Id", "CxlDtls/OrgnlGrpInfAndSts/RslvdCase/Id"),
    )


def _read_answer(element: Element, group: Element) -> RecallAnswer:
    return RecallAnswer(
        status=text(element, "TxCxlSts"),
        cancellation_id=text(element, "CxlStsId"),
        original=_with_group(read_original(element), group, "OrgnlGrpInfAndSts"),
        reason=text(element, "CxlStsRsnInf/Rsn/Cd", "CxlStsRsnInf/Rsn/Prtry"),
        information=" ".join(texts(element, "CxlStsRsnInf/AddtlInf")),
        returned=money(element, "RsltnRltdInf/IntrBkSttlmAmt"),
    )
