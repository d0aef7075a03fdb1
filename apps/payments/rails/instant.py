"""What the instant rails share: one payment a message, an answer in seconds, a question after silence.

Silence is never a rejection. A rejection that names a time-out is not one either, until the answer to an
inquiry repeats it: the payment may have been accepted behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from apps.payments.domain.calendars import Calendar
from apps.payments.formats import (
    Finding,
    FormatError,
    Inquiry,
    InquiryMessage,
    OriginalPayment,
    StatusReport,
    build_status_inquiry,
    read_message,
    read_payment_return,
    read_recall,
    read_recall_answer,
    read_status_report,
)
from apps.payments.formats.interbank import Agent
from apps.payments.rails.base import (
    Action,
    Built,
    Capabilities,
    Classified,
    Dates,
    InboundEvent,
    Instruction,
    Outgoing,
    Told,
)

ANSWER_BYTES_MAX = 256 * 1024
"""An answer about one payment has a few kilobytes; more is an attack or a mistake."""
PACS008 = "pacs.008.001.08"

ACCEPTED = frozenset({"ACCP", "ACCC", "ACSC", "ACWC", "ACWP"})
"""Statuses by which the payee's bank has the payment; ACWP has it and still has to book it."""

TIME_OUT = Classified("timeout", Action.INQUIRE)
_AGAIN = Classified("bank_unavailable", Action.RETRY, 60)
_ELSEWHERE = Classified("not_reachable", Action.OTHER_RAIL)

CODES: dict[str, Classified] = {
    "AB01": TIME_OUT,  # aborted, clearing timeout
    "AB02": Classified("clearing_failed", Action.RETRY, 60),
    "AB03": TIME_OUT,  # aborted, settlement timeout
    "AB04": Classified("clearing_failed", Action.RETRY, 60),
    "AB05": TIME_OUT,  # at the creditor's bank
    "AB06": TIME_OUT,  # at the instructed bank
    "AB07": _AGAIN,  # agent not online
    "AB08": _AGAIN,  # the creditor's bank not online
    "AB09": Classified("bank_failed", Action.OTHER_RAIL),  # an error at the creditor's bank
    "AB10": Classified("bank_failed", Action.OTHER_RAIL),
    "AB11": TIME_OUT,  # at the debtor's bank
    "AC01": Classified("account_invalid", Action.FIX),
    "AC03": Classified("account_invalid", Action.FIX),
    "AC04": Classified("account_closed", Action.STOP),
    "AC06": Classified("account_blocked", Action.STOP),
    "AC13": Classified("account_type_invalid", Action.OTHER_RAIL),
    "AG01": Classified("payment_type_forbidden", Action.OTHER_RAIL),
    "AG03": Classified("payment_type_forbidden", Action.OTHER_RAIL),
    "AG09": Classified("not_received", Action.RETRY),
    "AG10": _ELSEWHERE,  # the agent is suspended
    "AG11": _ELSEWHERE,  # the creditor's bank is suspended
    "AM02": Classified("amount_over_limit", Action.OTHER_RAIL),
    "AM04": Classified("insufficient_funds", Action.RETRY, 3_600),
    "AM05": Classified("duplicate", Action.INQUIRE),
    "AM09": Classified("amount_wrong", Action.FIX),
    "AM14": Classified("amount_over_limit", Action.OTHER_RAIL),
    "AM23": Classified("insufficient_funds", Action.RETRY, 3_600),
    "BE04": Classified("address_missing", Action.FIX),
    "CNOR": _ELSEWHERE,  # the creditor's bank is not registered for the rail
    "DNOR": Classified("not_registered", Action.OTHER_RAIL),
    "DUPL": Classified("duplicate", Action.INQUIRE),
    "FF10": Classified("bank_failed", Action.RETRY, 60),
    "FR01": Classified("fraud", Action.STOP),
    "MS02": Classified("refused_by_customer", Action.STOP),
    "MS03": Classified("reason_not_told", Action.FIX),
    "NOAS": Classified("no_answer_from_customer", Action.FIX),
    "NOOR": Classified("not_received", Action.RETRY),
    "RC01": Classified("bank_unknown", Action.FIX),
    "RR01": Classified("regulation", Action.FIX),
    "RR02": Classified("regulation", Action.FIX),
    "RR03": Classified("regulation", Action.FIX),
    "RR04": Classified("regulation", Action.STOP),
    "TM01": TIME_OUT,
}
"""Status reasons of instant payments (ISO 20022 external code set, EPC004-16 for the AB codes)."""


class InstantRail:
    """The common part. A subclass says which messages it writes and how long its clock runs."""

    name: str
    currency: str
    zone: str
    answer_within_s: int
    """The scheme's limit from the time stamp in the message to the answer."""
    inquire_after_s: int
    """The earliest moment, after that time stamp, at which an inquiry is answered."""
    first_inquiry_s: int
    """When we ask for the first time."""

    def __init__(self, *, amount_max_minor: int, cost_minor: int) -> None:
        self.amount_max_minor, self.cost_minor = amount_max_minor, cost_minor

    def capabilities(self) -> Capabilities:
        """Return what the rail carries: one currency, at any hour, up to the cap."""
        return Capabilities(
            rail=self.name,
            currencies=frozenset({self.currency}),
            amount_max_minor=self.amount_max_minor,
            calendar="ALWAYS",
            instant=True,
            cost_minor=self.cost_minor,
        )

    def validate(self, instruction: Instruction) -> list[Finding]:
        """Check currency and amount; subclasses add the payee's account."""
        findings = []
        if instruction.amount.currency != self.currency:
            findings.append(Finding("currency", f"This rail carries {self.currency}."))
        if not 0 < instruction.amount.minor <= self.amount_max_minor:
            findings.append(Finding("amount", "The amount is over what the rail carries."))
        return findings

    def quote_dates(self, instruction: Instruction, now: datetime, calendar: Calendar) -> Dates:
        """Execution, settlement and finality at once, on whatever day it is where the rail settles."""
        today = now.astimezone(ZoneInfo(self.zone)).date()
        return Dates(submit_by=None, execution=today, settlement=today)

    def build(self, outgoing: Outgoing) -> Built:
        """Write the message with its one payment. Raises FormatError."""
        raise NotImplementedError

    def parse_inbound(self, data: bytes) -> list[InboundEvent]:
        """Read a status, a return, a recall or the answer to one. Raises FormatError."""
        if len(data) > ANSWER_BYTES_MAX:
            raise FormatError(
                "too_large", f"The message has {len(data)} bytes; the limit is {ANSWER_BYTES_MAX}."
            )
        kind = read_message(data, bytes_max=ANSWER_BYTES_MAX).kind
        readers = {
            "pacs.002": _statuses,
            "pacs.004": _returns,
            "camt.056": _recalls,
            "camt.029": _recall_answers,
        }
        if kind not in readers:
            raise FormatError("wrong_message", f"A {kind} is no answer on this rail.")
        return readers[kind](data)

    def inquire(self, reference: str, original: Outgoing, *, message_id: str, at: datetime) -> bytes | None:
        """Write the pacs.028 that asks what became of a payment. Raises FormatError (too_early)."""
        if at < original.created_at + timedelta(seconds=self.inquire_after_s):
            raise FormatError("too_early", f"The rail answers no question before {self.inquire_after_s} s.")
        ours, theirs = self.agents(original)
        question = Inquiry(
            OriginalPayment(message_id=original.message_id, message_name=PACS008, end_to_end_id=reference),
            request_id=message_id,
        )
        message = InquiryMessage(message_id, at, (question,), instructing=ours, instructed=theirs)
        return self.wrapped(build_status_inquiry(message), "pacs.028.001.03", message_id, at, original)

    def agents(self, outgoing: Outgoing) -> tuple[Agent, Agent]:
        """Return who instructs and who is instructed."""
        raise NotImplementedError

    def wrapped(self, document: bytes, name: str, message_id: str, at: datetime, original: Outgoing) -> bytes:
        """Put a message into the rail's envelope, where it has one."""
        return document

    def classify(self, code: str) -> Classified:
        """Say what a reason code means; one that is not known is the owner's to look at."""
        return CODES.get(code, Classified("other", Action.FIX))


def _statuses(data: bytes) -> list[InboundEvent]:
    report = read_status_report(data)
    if not report.transactions:
        raise FormatError("no_transaction", "The report tells of no payment.", None, "TxInfAndSts")
    return [
        InboundEvent(
            told=_told(line.status or report.status),
            reference=line.end_to_end_id,
            message_id=report.message_id,
            code=_code(line.reasons or report.reasons),
            amount=line.amount,
            original_message_id=line.original_message_id or report.original_message_id,
            data=_data(report, line.status or report.status),
        )
        for line in report.transactions
    ]


def _data(report: StatusReport, status: str) -> Mapping[str, str]:
    return {"status": status, "created_at": report.created_at.isoformat()}


def _code(reasons: tuple[object, ...]) -> str:
    """Return the first code; the bank's sentence is left out, since it may name a person."""
    for reason in reasons:
        code = getattr(reason, "code", "") or getattr(reason, "proprietary", "")
        if code:
            return str(code)
    return ""


def _told(status: str) -> Told:
    if status == "RJCT":
        return Told.REJECTED
    return Told.ACCEPTED if status in ACCEPTED else Told.PENDING


def _returns(data: bytes) -> list[InboundEvent]:
    message = read_payment_return(data)
    return [
        InboundEvent(
            told=Told.RETURNED,
            reference=item.original.end_to_end_id,
            message_id=message.message_id,
            code=item.reason,
            amount=item.amount,
            original_message_id=item.original.message_id,
        )
        for item in message.returns
    ]


def _recalls(data: bytes) -> list[InboundEvent]:
    message = read_recall(data)
    return [
        InboundEvent(
            told=Told.RECALLED,
            reference=recall.original.end_to_end_id,
            message_id=message.id,
            code=recall.reason,
            amount=recall.original.amount,
            original_message_id=recall.original.message_id,
        )
        for recall in message.recalls
    ]


def _recall_answers(data: bytes) -> list[InboundEvent]:
    message = read_recall_answer(data)
    return [
        InboundEvent(
            told=Told.RECALL_ANSWERED,
            reference=answer.original.end_to_end_id,
            message_id=message.id,
            code=answer.reason,
            amount=answer.returned,
            original_message_id=answer.original.message_id,
            data={"status": answer.status or message.confirmation},
        )
        for answer in message.answers
    ]
