"""Asking a payment back that has left: requested, handed to the bank, answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from apps.core import tenancy
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid
from apps.core.ids import public_id
from apps.payments.calendar import calendar
from apps.payments.debits_store import recall_data
from apps.payments.domain.lifecycle import Kind, State
from apps.payments.domain.recalls import RecallEvent, RecallReason, check_time
from apps.payments.domain.references import clean_text
from apps.payments.inbound import keep_record, take_once
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for, lock, lock_payment, record_no_op
from apps.payments.models import Batch, Payment
from apps.payments.models_debits import Recall

RECALLABLE = frozenset({State.SENT.value, State.ACCEPTED.value, State.SETTLED.value})
INFORMATION_MAX = 105

ANSWERS = {
    "RJCR": RecallEvent.REFUSE,
    "PDCR": RecallEvent.WAIT,
    "ACCR": RecallEvent.ACCEPT,
    "CNCL": RecallEvent.ACCEPT,
    "IPAY": RecallEvent.ACCEPT,
}
"""What the words of a camt.029 mean for a recall (ISO 20022 external code sets)."""


class NotRecallable(Conflict):
    code = "not_recallable"
    title = "Only a SEPA transfer that has left and has not come back can be recalled, and only once."


@dataclass(frozen=True)
class RecallPayment(Command):
    """Ask the payee's bank to give a payment back.

    `reason` is DUPL, TECH, FRAD, CUST, AM09 or AC03.
    """

    payment_id: UUID
    reason: str
    information: str = ""


@handles(RecallPayment, name="payments.recall_payment", version=1, permission="payments.write")
def recall_payment(command: RecallPayment, context: Context) -> dict[str, Any]:
    """Record the request; a file takes it to the bank. Raises NotRecallable, TooLateToRecall, Invalid."""
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    reasons = [reason.value for reason in RecallReason]
    if command.reason not in reasons:
        raise Invalid(field="reason", allowed=reasons)
    _check_recallable(payment)
    check_time(
        RecallReason(command.reason),
        executed_on=_executed_on(payment),
        today=context.at.date(),
        calendar=calendar("TARGET"),
    )
    key = context.new_id()
    row = Recall(
        id=key,
        organisation_id=payment.organisation_id,
        payment_id=payment.pk,
        reason=command.reason,
        information=clean_text(command.information, field="information", length_max=INFORMATION_MAX),
        message_id=f"RCL{key.hex.upper()}",
        requested_at=context.at,
    )
    begin(row, RecallEvent.REQUEST, context, Origin(context.actor.kind))
    return recall_data(row)


@dataclass(frozen=True)
class MarkRecallSent(Command):
    """Record that a recall's file was handed over."""

    recall_id: UUID


@handles(MarkRecallSent, name="payments.mark_recall_sent", version=1, permission="payments.batch")
def mark_recall_sent(command: MarkRecallSent, context: Context) -> dict[str, Any]:
    """Move it to sent; one that is further already stays as it is."""
    row = lock(Recall, command.recall_id)
    _tell(row, RecallEvent.SEND, Origin("file", row.message_id), context)
    return recall_data(row)


@dataclass(frozen=True)
class RecallAnswerLine:
    """What a camt.029 says of one recall: RJCR, PDCR or ACCR, and why."""

    cancellation_id: str
    reference: str
    status: str
    code: str = ""


@dataclass(frozen=True)
class ApplyRecallAnswers(Command):
    """Apply a file of answers to recalls. Runs for the whole platform."""

    sha256: str
    file_name: str
    format: str
    message_id: str
    lines: tuple[RecallAnswerLine, ...]


@handles(ApplyRecallAnswers, name="payments.apply_recall_answers", version=1, permission="payments.batch")
def apply_recall_answers(command: ApplyRecallAnswers, context: Context) -> dict[str, Any]:
    """Move each recall; money comes by a return. What is late or unknown is a finding. Raises DuplicateFile."""
    take_once(command.sha256, command.file_name)
    applied, findings = 0, []
    for line in command.lines:
        code = _apply(line, command, context)
        if code:
            findings.append({"reference": line.reference, "code": code})
        else:
            applied += 1
    keep_record(command, applied=applied, findings=len(findings), context=context)
    return {"format": command.format, "applied": applied, "findings": findings}


def _apply(line: RecallAnswerLine, command: ApplyRecallAnswers, context: Context) -> str:
    event = ANSWERS.get(line.status)
    if event is None:
        return "unknown_status"
    known = Recall.objects.filter(message_id=line.cancellation_id).first() or _of_payment(line.reference)
    if known is None:
        return "unknown_reference"
    origin = Origin("file", command.message_id, reason=line.code[:60])
    row = lock(Recall, known.pk)
    return _tell(row, event, origin, context, answer_code=line.code)


def _of_payment(reference: str) -> Recall | None:
    payment = Payment.objects.filter(end_to_end_id=reference).first() if reference else None
    return Recall.objects.filter(payment_id=payment.pk).first() if payment is not None else None


def _tell(row: Recall, event: RecallEvent, origin: Origin, context: Context, **changes: Any) -> str:
    """Apply what was told; return why it changes nothing, or nothing."""
    decision = decide_for(row, event)
    if decision.transition is None:
        record_no_op(row, event, context, origin, reason=decision.reason)
        return decision.reason
    advance(row, decision.transition, context, origin, **changes)
    return ""


def _check_recallable(payment: Payment) -> None:
    facts: dict[str, Any] = {"id": public_id("pay", payment.pk), "state": payment.state, "type": payment.kind}
    if payment.kind not in (Kind.PAYOUT, Kind.REFUND) or not payment.rail.startswith("sepa_ct"):
        raise NotRecallable(**facts)
    if payment.state not in RECALLABLE:
        raise NotRecallable(**facts)
    if Recall.objects.filter(payment_id=payment.pk).exists():
        raise NotRecallable(**facts, reason="it was recalled before")


def _executed_on(payment: Payment) -> date:
    with tenancy.scope(tenancy.PLATFORM):
        return Batch.objects.get(message_id=payment.batch_message_id).execution_date
