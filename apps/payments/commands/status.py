"""What the bank says became of a file's payments (pain.002)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.accounts import public as accounts
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict
from apps.core.ids import public_id
from apps.payments import books
from apps.payments.collecting import group_references
from apps.payments.domain.lifecycle import Event, Step
from apps.payments.fx_books import pays_from
from apps.payments.inbound import DuplicateFile
from apps.payments.lifecycle_store import Origin, advance, decide_for, record_no_op
from apps.payments.models import Batch, Payment, StatusFile
from apps.payments.returning import note_reject
from apps.payments.routing import route_by_id

REJECTED = "RJCT"
ACCEPTED = frozenset({"ACTC", "ACCP", "ACSP", "ACSC", "ACCC", "ACWC"})
DUPLICATE = frozenset({"DUPL", "AM05"})
"""The bank has this already: what it said of the first copy stands, so the word changes nothing."""


class UnknownBatch(Conflict):
    code = "unknown_batch"
    title = "The report is about a file that we did not send."


@dataclass(frozen=True)
class StatusLine:
    """What a report says of one payment, or of one group of the file (then named by its PmtInfId)."""

    end_to_end_id: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class ApplyStatusReport(Command):
    """Apply a bank's report on one of our files.

    A payment's own line decides; without one its group's word (`groups`), then the file's (`group_status`).

    Runs for the whole platform: a file holds the payments of every organisation.
    """

    sha256: str
    file_name: str
    format: str
    message_id: str
    original_message_id: str
    group_status: str
    group_reason: str
    lines: tuple[StatusLine, ...]
    groups: tuple[StatusLine, ...] = ()


@handles(ApplyStatusReport, name="payments.apply_status_report", version=1, permission="payments.batch")
def apply_status_report(command: ApplyStatusReport, context: Context) -> dict[str, Any]:
    """Accept or reject each payment of the file; what is late or unknown changes nothing and is counted."""
    batch = Batch.objects.select_for_update().filter(message_id=command.original_message_id).first()
    if batch is None:
        raise UnknownBatch(original_message_id=command.original_message_id)
    # Asked under the batch's lock: of two who bring the same file at once, the second sees the first's.
    if StatusFile.objects.filter(sha256=command.sha256).exists():
        raise DuplicateFile(file=command.file_name)
    payments = {
        payment.end_to_end_id: payment
        for payment in Payment.objects.select_for_update(no_key=True)
        .filter(batch_message_id=batch.message_id)
        .order_by("id")
    }
    said = _what_is_said(command, batch, payments)
    applied = sum(_apply(payments[key], said[key], command, context) for key in payments if key in said)
    unmatched = sum(line.end_to_end_id not in payments for line in command.lines)
    _store(command, batch, applied, unmatched, context)
    return {"batch": batch.message_id, "applied": applied, "unmatched": unmatched}


def _what_is_said(
    command: ApplyStatusReport, batch: Batch, payments: dict[str, Payment]
) -> dict[str, StatusLine]:
    """Give each payment its own line, or else the word on its group, or on the whole file."""
    said = {line.end_to_end_id: line for line in command.lines}
    group_of = group_references(payments.values(), batch)
    words = {line.end_to_end_id: line for line in command.groups}
    whole = _word_on_the_file(command, group_count=len(set(group_of.values())))
    for key, payment in payments.items():
        word = words.get(group_of[payment.pk])
        if word is None or not _is_final(word.status):
            word = whole
        if _is_final(word.status):
            said.setdefault(key, StatusLine(key, word.status, word.reason))
    return said


def _word_on_the_file(command: ApplyStatusReport, *, group_count: int) -> StatusLine:
    """Return what is said of all payments. The word on a group is that only if there is no other group."""
    if command.group_status or group_count > 1:
        return StatusLine("", command.group_status, command.group_reason)
    words = {group.status for group in command.groups}
    return StatusLine("", words.pop() if len(words) == 1 else "", command.group_reason)


def _is_final(status: str) -> bool:
    return status == REJECTED or status in ACCEPTED


def _apply(payment: Payment, line: StatusLine, command: ApplyStatusReport, context: Context) -> bool:
    if line.reason in DUPLICATE:
        return False
    if line.status == REJECTED:
        event = Event.REJECT
    elif line.status in ACCEPTED:
        event = Event.ACCEPT
    else:
        return False  # pending, received: nothing is known yet
    origin = Origin("file", command.message_id, reason=line.reason[:60] or line.status)
    decision = decide_for(payment, event)
    if decision.transition is None:
        record_no_op(payment, event, context, origin, reason=decision.reason)
        return False
    if event is Event.ACCEPT:
        advance(payment, decision.transition, context, origin)
        return True
    undone = decision.transition.step == Step.UNDO
    journal_seq = _give_back(payment, context) if undone else None
    advance(
        payment,
        decision.transition,
        context,
        origin,
        journal_seq=journal_seq,
        failure_code=line.reason[:35] or REJECTED,
    )
    note_reject(payment, line.reason[:35] or REJECTED, context, origin)
    return True


def _give_back(payment: Payment, context: Context) -> int:
    assert payment.settlement_account_id is not None
    route = route_by_id(payment.settlement_account_id)
    account = accounts.payment_account(payment.account_id)
    return books.move(
        payment,
        "payout_rejected",
        ((route.clearing_out_id, pays_from(payment, account)),),
        effective=context.at.date(),
        context=context,
    )


def _store(command: ApplyStatusReport, batch: Batch, applied: int, unmatched: int, context: Context) -> None:
    StatusFile.objects.create(
        id=context.new_id(),
        organisation_id=batch.organisation_id,
        sha256=command.sha256,
        file_name=command.file_name[:200],
        format=command.format,
        message_id=command.message_id,
        original_message_id=batch.message_id,
        group_status=command.group_status,
        applied=applied,
        unmatched=unmatched,
        received_at=context.at,
    )
    if batch.state == Batch.State.SENT:
        refused = command.group_status == REJECTED
        batch.state = Batch.State.REJECTED if refused else Batch.State.ACKNOWLEDGED
        batch.save()
    context.note(
        "batch",
        batch.message_id,
        organisation_id=batch.organisation_id,
        report=command.message_id,
        status=command.group_status,
        applied=applied,
        unmatched=unmatched,
        file=public_id("bat", batch.pk),
    )
